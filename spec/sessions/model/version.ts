/** The order of all writes of one session: by generation, which a claim raises, then by revision. */

export interface Version {
  generation: number;
  revision: number;
}

export function isAtLeast(version: Version, other: Version): boolean {
  if (version.generation !== other.generation) return version.generation > other.generation;
  return version.revision >= other.revision;
}

export function isSame(version: Version, other: Version): boolean {
  return version.generation === other.generation && version.revision === other.revision;
}
