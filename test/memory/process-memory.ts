// All memory of another process that is there, through /proc/PID/mem; it also shows pages that core dumps leave out.
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { basename } from "node:path";
import type { Region, Scanner } from "./scanner.ts";

const PAGE = 4096;
const CHUNK = 1 << 24;
/** Chunks overlap, so that nothing hides on a border. */
const OVERLAP = 8192;
const ZEROS = Buffer.alloc(PAGE);

/** Why this process may not read that one's memory, or undefined when it may. */
export function cannotRead(pid: number): string | undefined {
  try {
    const fd = openSync(`/proc/${pid}/mem`, "r");
    try {
      readSync(fd, Buffer.alloc(1), 0, 1, regionsOf(pid)[0]?.start ?? 0);
    } finally {
      closeSync(fd);
    }
    return undefined;
  } catch (error) {
    return `/proc/PID/mem cannot be read here (${(error as NodeJS.ErrnoException).code ?? "?"})`;
  }
}

// Unchanged file contents are left out: what a process wrote is not in them.
function regionsOf(pid: number): Region[] {
  const regions: Region[] = [];
  for (const line of readFileSync(`/proc/${pid}/maps`, "latin1").trim().split("\n")) {
    const [range = "", access = "", , , , path = ""] = line.split(/\s+/);
    const [start = 0, end = 0] = range.split("-").map((part) => Number.parseInt(part, 16));
    if (path.startsWith("[v") || (path.startsWith("/") && !access.includes("w"))) continue;
    regions.push({ start, end, access, name: nameOf(path, start) });
  }
  return regions;
}

/** glibc aligns what it maps for the heaps of further threads to this (HEAP_MAX_SIZE), and nothing else does. */
const THREAD_HEAP = 64 << 20;

function nameOf(path: string, start: number): string {
  if (path.startsWith("/")) return `file ${basename(path)}`;
  if (path !== "") return path;
  return start % THREAD_HEAP === 0 ? "heap of a thread" : "anonymous";
}

/** The runs of pages of a region that are in memory or swapped out (proc_pid_pagemap(5), bits 63 and 62). */
function* presentRuns(pagemap: number, { start, end }: Region): Generator<[address: number, size: number]> {
  const pages = (end - start) / PAGE;
  const entries = Buffer.alloc(8 << 16);
  let began = -1;
  for (let first = 0; first < pages; first += 1 << 16) {
    const count = Math.min(1 << 16, pages - first);
    readSync(pagemap, entries, 0, count * 8, (start / PAGE + first) * 8);
    for (let i = 0; i < count; i++) {
      const present = (entries[i * 8 + 7]! & 0xc0) !== 0;
      if (present && began < 0) began = first + i;
      if (present || began < 0) continue;
      yield [start + began * PAGE, (first + i - began) * PAGE];
      began = -1;
    }
  }
  if (began >= 0) yield [start + began * PAGE, (pages - began) * PAGE];
}

/** Pages of zeros are most of a pool: they are passed over. */
function scanFilled(scanner: Scanner, memory: Buffer, address: number, region: Region): void {
  let began = -1;
  for (let at = 0; at < memory.length; at += PAGE) {
    const end = Math.min(at + PAGE, memory.length);
    const empty = memory.compare(ZEROS, 0, end - at, at, end) === 0;
    if (!empty && began < 0) began = at;
    if (!empty || began < 0) continue;
    scanner.scan(memory.subarray(began, at), address + began, region);
    began = -1;
  }
  if (began >= 0) scanner.scan(memory.subarray(began), address + began, region);
}

/** Scans a stopped process. Returns the bytes read, which a caller compares with what a process must have at least. */
export function scanProcess(pid: number, scanner: Scanner): number {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const pagemap = openSync(`/proc/${pid}/pagemap`, "r");
  const chunk = Buffer.allocUnsafeSlow(CHUNK + OVERLAP);
  let total = 0;
  try {
    for (const region of regionsOf(pid)) {
      for (const [address, size] of presentRuns(pagemap, region)) {
        for (let at = 0; at < size; at += CHUNK) {
          const wanted = Math.min(CHUNK + OVERLAP, size - at);
          const read = readOrSkip(memory, chunk, wanted, address + at);
          total += read;
          scanFilled(scanner, chunk.subarray(0, read), address + at, region);
        }
      }
    }
    return total;
  } finally {
    chunk.fill(0);
    closeSync(memory);
    closeSync(pagemap);
  }
}

// Guard pages of locked memory are mapped but not readable by anybody.
function readOrSkip(memory: number, chunk: Buffer, wanted: number, address: number): number {
  try {
    return readSync(memory, chunk, 0, wanted, address);
  } catch {
    return 0;
  }
}
