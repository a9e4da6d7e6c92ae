// The closed list of token classes. Each splits the anonymity set once more, so there are few and they are fixed.

/** A class's number on the wire (u8) and in stored records; never reused. */
export const tokenClasses = { invite: 1, create: 2, discover: 3, connect: 4, deliver: 5 } as const;

/** What a token may be spent on. A token says its class by the key that made it, and in no other way. */
export type TokenClass = keyof typeof tokenClasses;

const byNumber = new Map<number, TokenClass>(
  Object.entries(tokenClasses).map(([name, number]) => [number, name as TokenClass]),
);

/** Every class, in the order of its number. */
export const allTokenClasses: readonly TokenClass[] = [...byNumber.values()];

/** The class of a number, or undefined when there is none. */
export const tokenClassOf = (number: number): TokenClass | undefined => byNumber.get(number);
