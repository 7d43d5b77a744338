// How much a page fetches for a viewer. Workers travel inside the module that starts them.

/** The files that an entry point leads to: those it starts with, and those that it may load later. */
export function reachedFrom(entry, outputs) {
  const first = follow([entry], outputs, (kind) => kind !== "dynamic-import");
  const all = follow([entry], outputs, () => true);
  return { first: [...first], later: [...all].filter((file) => !first.has(file)) };
}

function follow(files, outputs, isFollowed, seen = new Set()) {
  for (const file of files) {
    if (seen.has(file)) continue;
    seen.add(file);
    const next = outputs[file].imports.filter(
      ({ kind, external }) => !external && isFollowed(kind),
    );
    follow(
      next.map(({ path }) => path),
      outputs,
      isFollowed,
      seen,
    );
  }
  return seen;
}

/** Compare sizes with their limits, both by name and in bytes. Throws a sentence that names all that are over. */
export function holdTo(limits, sizes) {
  const over = Object.entries(limits).filter(([name, limit]) => sizes[name] > limit);
  if (over.length === 0) return;
  const told = over.map(([name, limit]) => `${name} has ${sizes[name]} bytes of at most ${limit}`);
  throw new Error(`Too large to be fetched for a cell: ${told.join("; ")}.`);
}
