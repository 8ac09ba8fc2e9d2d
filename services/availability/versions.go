package availability

import (
	"context"

	"github.com/redis/go-redis/v9"

	"interlock/services/rail"
)

// versionsPerPipeline bounds what one call of Versions has in flight: 1,024 answers are 24 kB, and Redis gives them in
// a millisecond.
const versionsPerPipeline = 1_024

// Versions reads the version alone of each run's entry, in their order: sixteen bytes a run. It takes one round trip
// for up to versionsPerPipeline of them. -1 stands for an entry that is missing or cannot be read, and for a missing
// answer. It is an error when Redis gave no answer at all.
func (c *Cache) Versions(ctx context.Context, ids []rail.RunID) ([]int64, error) {
	versions := make([]int64, len(ids))
	for start := 0; start < len(ids); start += versionsPerPipeline {
		end := min(start+versionsPerPipeline, len(ids))
		if err := c.readVersions(ctx, ids[start:end], versions[start:end]); err != nil {
			return nil, err
		}
	}
	return versions, nil
}

func (c *Cache) readVersions(ctx context.Context, ids []rail.RunID, versions []int64) error {
	pipe := c.client.Pipeline()
	reads := make([]*redis.StringCmd, len(ids))
	for i, id := range ids {
		reads[i] = pipe.GetRange(ctx, entryKey(id), 0, versionDigits-1)
	}
	_, err := pipe.Exec(ctx)
	failed := 0
	for i, read := range reads {
		versions[i] = decodeVersion(read.Val())
		if read.Err() != nil {
			failed++
		}
	}
	if err != nil && failed == len(ids) {
		return err
	}
	return nil
}
