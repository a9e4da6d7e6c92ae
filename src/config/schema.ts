// The one table of the configuration: every key with its check, its default and the sentence that explains it.
import { isAbsolute } from "node:path";
import * as v from "valibot";

const path = (what: string) =>
  v.pipe(
    v.string(`must be a path in quotes, write ${what}`),
    v.check((value) => isAbsolute(value) && !value.includes("\0"), `must be an absolute path, begin it with /`),
  );
// sun_path of unix(7): 108 bytes with the final zero.
const socketPath = v.pipe(
  path("a unix socket's place"),
  v.check(
    (value) => Buffer.byteLength(value) < 108 && !value.endsWith("/"),
    "must be a file's path below 108 bytes, choose a shorter folder",
  ),
);
const whole = (min: number, max: number) => {
  const hint = `must be a whole number from ${min} to ${max}, change it`;
  return v.pipe(v.number(hint), v.integer(hint), v.minValue(min, hint), v.maxValue(max, hint));
};
const either = <const T extends readonly [string, ...string[]]>(...values: T) =>
  v.picklist(values, `must be one of ${values.map((value) => `"${value}"`).join(", ")}, choose one`);
const said = <S extends v.GenericSchema>(schema: S, text: string) => v.pipe(schema, v.description(text));

// The form only: whether the last characters fit the others is checked where addresses are known (src/cli/checked.ts).
const onion = v.pipe(
  v.string("must be an onion address in quotes"),
  v.regex(/^[a-z2-7]{56}\.onion$/, "must be 56 characters and .onion, in lower case, copy the address whole"),
);

/** One of `[[external_issuers]]`. */
export const externalIssuer = {
  onion,
  class: either("create", "discover", "connect", "deliver"),
  daily_budget: whole(1, 1_000_000),
} as const;
const MAX_EXTERNAL_ISSUERS = 8;

/** The sections in the order of the file; keys as an operator writes them. */
export const sections = {
  "": {
    data_dir: said(
      path("the folder of the house's state"),
      "Where the sealed state lives. Whoever changes files there can stop the house or set it back, not read it.",
    ),
    socket: v.optional(
      said(socketPath, "The unix socket that tor hands connections to; data_dir/http.sock when left out."),
    ),
    external_issuers: v.optional(
      said(
        v.pipe(
          v.array(
            v.strictObject(externalIssuer),
            "must be a list of tables, write [[external_issuers]] and its keys below it",
          ),
          v.maxLength(MAX_EXTERNAL_ISSUERS, `must be at most ${MAX_EXTERNAL_ISSUERS}, remove some`),
          v.check(
            (issuers) => new Set(issuers.map((issuer) => issuer.onion)).size === issuers.length,
            "must name each issuer once, remove the second entry of it",
          ),
        ),
        'Others whose tokens are taken as well, each as a table [[external_issuers]] at the end of the file: onion (its address), class ("create", "discover", "connect" or "deliver": what its tokens pay for), daily_budget (tokens a day).',
      ),
      [],
    ),
  },
  key: {
    source: said(
      either("file", "passphrase_file"),
      'What opens the state: "file" is the bare key, "passphrase_file" holds a passphrase that unwraps data_dir/master.key.',
    ),
    path: said(path("the key file's place"), "Keep it on another disk than data_dir: both together open everything."),
  },
  tor: {
    mode: v.optional(
      said(
        either("launch", "control"),
        '"launch" starts the system\'s tor for the house alone, "control" uses one that already runs.',
      ),
      "launch",
    ),
    control_socket: v.optional(
      said(
        socketPath,
        'The control socket of that tor; with mode "control" only. Whoever owns it can move the service.',
      ),
    ),
    cookie_file: v.optional(said(path("tor's cookie file"), 'Its authentication cookie; with mode "control" only.')),
    socks_socket: v.optional(
      said(
        socketPath,
        'Its SOCKS socket, by which external issuers are reached; with mode "control" only, and not beside socks_port.',
      ),
    ),
    socks_port: v.optional(said(whole(1, 65535), "Its SOCKS port on 127.0.0.1, where it has no such socket.")),
    pow: v.optional(
      said(
        v.boolean("must be true or false, choose one"),
        "Proof-of-work defence of the onion service against floods of introductions.",
      ),
      true,
    ),
  },
  limits: {
    connections: v.optional(
      said(whole(1, 700), "Connections at once. Each may hold one request; locked memory is cut for 768."),
      640,
    ),
    header_seconds: v.optional(said(whole(1, 120), "Until a request's headers must be there."), 20),
    request_seconds: v.optional(said(whole(5, 600), "Until all of a request must be there."), 90),
    reply_seconds: v.optional(said(whole(5, 600), "A client may take to read its answer."), 60),
    idle_seconds: v.optional(said(whole(30, 600), "Without a byte before a connection ends."), 90),
  },
  tokens: {
    batch: v.optional(said(whole(1, 100), "Tokens of each class that an account draws per epoch of 30 days."), 100),
    types: v.optional(
      said(
        v.pipe(
          v.array(either("0x0005", "0x0002"), 'must be a list, write ["0x0005"]'),
          v.check(
            (types) => types.length > 0 && new Set(types).size === types.length && types[0] === "0x0005",
            'must begin with "0x0005" and name each type once, correct the list',
          ),
        ),
        'Token types the house issues. "0x0005" is what its own clients use; "0x0002" can be checked by other servers.',
      ),
      ["0x0005"],
    ),
  },
  registration: {
    mode: v.optional(
      said(
        either("closed", "invitation", "proof_of_work"),
        'Who gets in: "closed" takes your invitations only, "invitation" lets accounts draw some too, "proof_of_work" also takes work from anybody. There is no open registration.',
      ),
      "closed",
    ),
    invitations_per_epoch: v.optional(
      said(whole(1, 100), "Invitations an account draws per epoch, unless registration is closed."),
      5,
    ),
    work_min_effort: v.optional(said(whole(0, 16), "Leading zero bits asked for when nobody comes."), 4),
    work_max_effort: v.optional(said(whole(0, 16), "The most that is ever asked for; each bit doubles the work."), 14),
    work_per_hour: v.optional(said(whole(1, 100_000), "Registrations an hour above which the work gets harder."), 20),
  },
  store: {
    apart_dir: v.optional(
      said(
        path("a folder apart from data_dir"),
        "A folder, best on other storage and in no backup or snapshot, for two small files: the anchor, which tells when data_dir was set back, and the erasable keys, which make deletion real. data_dir/state when left out; then who sets back or copies all of data_dir has both.",
      ),
    ),
    reserve_mb: v.optional(
      said(whole(1, 65536), "Free disk space, in MiB, below which the house writes nothing more but deletions."),
      64,
    ),
  },
  envelope: {
    rotation_seconds: v.optional(
      said(
        whole(60, 86400),
        "Life of an envelope key. Recorded traffic cannot be opened from a memory dump after twice as long.",
      ),
      600,
    ),
  },
} as const;

/** A whole configuration file, as parsed from TOML. */
export const fileSchema = v.strictObject({
  ...sections[""],
  key: v.strictObject(sections.key),
  tor: v.optional(v.strictObject(sections.tor), {}),
  limits: v.optional(v.strictObject(sections.limits), {}),
  tokens: v.optional(v.strictObject(sections.tokens), {}),
  registration: v.optional(v.strictObject(sections.registration), {}),
  store: v.optional(v.strictObject(sections.store), {}),
  envelope: v.optional(v.strictObject(sections.envelope), {}),
});
