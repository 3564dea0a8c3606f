/**
 * Scripts that run on a node. Each has one key: while a slot moves between nodes its keys lie on both, and a command
 * of two keys would be refused (TRYAGAIN) until the move is over.
 */
export interface CacheScripts {
  /** The tenant's generation; makes it with the text `fresh` when there is none. */
  currentGeneration(key: string, fresh: string, ttlMilliseconds: number): Promise<string>;
  /** Begins a generation. */
  nextGeneration(key: string, fresh: string, ttlMilliseconds: number): Promise<string>;
  /** 1 when the entry is the caller's, now or by an earlier sending of the same value. */
  setIfAbsent(key: string, value: string, ttlMilliseconds: number): Promise<number>;
}

/**
 * The replication id of a primary is new whenever a replica was promoted: its reign. Replication is asynchronous, so a
 * promoted replica may lack the last writes and show what they had replaced; what an earlier reign wrote counts no more.
 */
const reign = `local reign = string.sub(string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)'), 1, 16)`;

export const cacheScripts = {
  currentGeneration: {
    numberOfKeys: 1,
    lua: `${reign}
      local known = redis.call('GET', KEYS[1])
      if known and string.sub(known, 1, #reign) == reign then return known end
      redis.call('SET', KEYS[1], reign .. ARGV[1], 'PX', ARGV[2])
      return reign .. ARGV[1]`,
  },
  nextGeneration: {
    numberOfKeys: 1,
    lua: `${reign}
      redis.call('SET', KEYS[1], reign .. ARGV[1], 'PX', ARGV[2])
      return reign .. ARGV[1]`,
  },
  setIfAbsent: {
    numberOfKeys: 1,
    lua: `local held = redis.call('GET', KEYS[1])
      if held then return held == ARGV[1] and 1 or 0 end
      redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
      return 1`,
  },
} as const;
