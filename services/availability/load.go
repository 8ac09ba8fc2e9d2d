package availability

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/redis/go-redis/v9"

	"interlock/services/rail"
)

const (
	// entriesPerPipeline and bytesPerPipeline bound what Load and Stored have in flight: enough to hide the round
	// trips, and far from what a slow Redis needs a second for. One entry may be larger alone.
	entriesPerPipeline = 500
	bytesPerPipeline   = 4 << 20

	// loadedKey is there while Redis has kept everything since the last full load. loadingKey has the name of the data
	// that a load was begun on; a Redis that loses its data loses the name. The braces put both on one node.
	loadedKey  = "interlock:loaded"
	loadingKey = "{" + loadedKey + "}:data"
)

// errLostMeanwhile says that a load is to be begun again.
var errLostMeanwhile = errors.New("the data in Redis was lost while it was being loaded")

// Load stores what is left of many runs, each unless the same or a newer version is stored already, and tells
// subscribers. It tells of what replaced something older in the same step, and of what is new to Redis a moment after
// it was written. When the process dies in between, subscribers find out by their next look.
//
// Most entries are new to Redis, or there already: a plain SET NX and a look at the version are enough for those. Only
// what is really newer takes a script, which costs several times as much.
func (c *Cache) Load(ctx context.Context, left []*rail.Availability) error {
	for chunk := range chunks(left) {
		if err := c.load(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// load is Load of what goes into one pipeline. It takes two round trips, and a third for what needs the script.
func (c *Cache) load(ctx context.Context, left []*rail.Availability) error {
	writes := make([]write, len(left))
	for i := range left {
		var err error
		if writes[i], err = newWrite(left[i]); err != nil {
			return err
		}
	}
	added, there, err := c.addMissing(ctx, writes)
	if err != nil {
		return err
	}
	older, err := c.tellAndFindOlder(ctx, added, there)
	if err != nil {
		return err
	}
	return c.applyAll(ctx, older)
}

// addMissing stores the writes whose runs are not there yet, and parts them from those of runs that are there.
func (c *Cache) addMissing(ctx context.Context, writes []write) (added, there []write, err error) {
	pipe := c.client.Pipeline()
	adds := make([]*redis.BoolCmd, len(writes))
	for i, w := range writes {
		adds[i] = pipe.SetNX(ctx, w.key, w.entry, 0)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, nil, err
	}
	for i, w := range writes {
		if adds[i].Val() {
			added = append(added, w)
		} else {
			there = append(there, w)
		}
	}
	c.counts.applied.Add(uint64(len(added)))
	return added, there, nil
}

// tellAndFindOlder tells subscribers of what was added. In the same pipeline it looks at what was there, and returns
// the writes for which that is older, or cannot be read.
func (c *Cache) tellAndFindOlder(ctx context.Context, added, there []write) (older []write, err error) {
	pipe := c.client.Pipeline()
	for _, w := range added {
		pipe.Publish(ctx, changesChannel(w.left.RunID), message(rail.Change{Version: w.left.Version}))
	}
	headers, sizes := make([]*redis.StringCmd, len(there)), make([]*redis.IntCmd, len(there))
	for i, w := range there {
		headers[i] = pipe.GetRange(ctx, w.key, 0, headerBytes-1)
		sizes[i] = pipe.StrLen(ctx, w.key)
	}
	if cmds, err := pipe.Exec(ctx); err != nil {
		for _, cmd := range cmds {
			if err := cmd.Err(); err != nil && !isForeign(err) {
				return nil, err
			}
		}
	}
	for i, w := range there {
		h, ok := decodeHeader(headers[i].Val())
		if readable := ok && int64(h.size()) == sizes[i].Val(); !readable || h.version < w.left.Version {
			older = append(older, w)
		}
	}
	c.counts.outdated.Add(uint64(len(there) - len(older)))
	return older, nil
}

// Stored reads whole entries of the runs it is given, in their order; nil where there is none, or none that can be
// read.
func (c *Cache) Stored(ctx context.Context, runs []*rail.Availability) ([]*rail.Availability, error) {
	stored := make([]*rail.Availability, 0, len(runs))
	for chunk := range chunks(runs) {
		pipe := c.client.Pipeline()
		cmds := make([]*redis.StringCmd, len(chunk))
		for i, run := range chunk {
			cmds[i] = pipe.Get(ctx, entryKey(run.RunID))
		}
		// The commands' own errors are looked at one by one.
		_, _ = pipe.Exec(ctx)
		for i, cmd := range cmds {
			if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) && !isForeign(err) {
				return nil, err
			}
			stored = append(stored, decode(chunk[i].RunID, cmd.Val()))
		}
	}
	return stored, nil
}

// Loaded tells whether the marker of a full load is there. A Redis that lost its data has lost the marker too.
func (c *Cache) Loaded(ctx context.Context) (bool, error) {
	n, err := c.client.Exists(ctx, loadedKey).Result()
	return n > 0, err
}

// BeginLoad names the data that Redis has now. Loads at the same time get the same name. A Redis that loses its data
// loses the name with it.
func (c *Cache) BeginLoad(ctx context.Context) (data string, err error) {
	pipe := c.client.Pipeline()
	pipe.SetNX(ctx, loadingKey, rand.Text(), 0)
	name := pipe.Get(ctx, loadingKey)
	if _, err := pipe.Exec(ctx); err != nil {
		return "", err
	}
	return name.Result()
}

// MarkLoaded sets the marker of a full load that was begun on this data. It is an error when Redis has lost the data
// since, for part of the load may be lost with it.
func (c *Cache) MarkLoaded(ctx context.Context, data string) error {
	marked, err := c.scripts.loaded.Run(ctx, c.client, []string{loadedKey, loadingKey}, data).Int()
	if err == nil && marked == 0 {
		err = errLostMeanwhile
	}
	return err
}

// chunks cuts entries into what goes into one pipeline.
func chunks(entries []*rail.Availability) func(yield func([]*rail.Availability) bool) {
	return func(yield func([]*rail.Availability) bool) {
		start, bytes := 0, 0
		for i, entry := range entries {
			size := headerBytes + countBytes*len(entry.Counts)
			if i > start && (i-start == entriesPerPipeline || bytes+size > bytesPerPipeline) {
				if !yield(entries[start:i]) {
					return
				}
				start, bytes = i, 0
			}
			bytes += size
		}
		if start < len(entries) {
			yield(entries[start:])
		}
	}
}
