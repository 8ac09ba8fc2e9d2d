package availability

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"interlock/services/rail"
)

const (
	// asksPerPipeline bounds what one call has in flight; more asks take more round trips. A search has a few hundred.
	asksPerPipeline = 512
	// wholeBytes is up to where an entry is read from its beginning in one command, which cannot be torn. Most trains'
	// entries are shorter than this, and a further command costs Redis and the client far more than a kilobyte.
	wholeBytes = 1_024
)

// Remaining answers every ask, in their order, in one round trip for up to asksPerPipeline of them. An answer is not
// Known where Redis has no entry, or one for another train, or gave no answer. It is an error when Redis gave no answer
// at all.
func (c *Cache) Remaining(ctx context.Context, asks []rail.Ask) ([]rail.Left, error) {
	for _, ask := range asks {
		if ask.Run == nil || ask.From < 0 || ask.From >= ask.To || ask.To >= len(ask.Run.Train.Calls) {
			return nil, fmt.Errorf("an ask for calls %d to %d, which the run does not have", ask.From, ask.To)
		}
	}
	left := make([]rail.Left, len(asks))
	for start := 0; start < len(asks); start += asksPerPipeline {
		end := min(start+asksPerPipeline, len(asks))
		if err := c.read(ctx, asks[start:end], left[start:end]); err != nil {
			return nil, err
		}
	}
	unknown := 0
	for i := range left {
		if !left[i].Known {
			unknown++
		}
	}
	c.counts.asks.Add(uint64(len(asks)))
	c.counts.unknown.Add(uint64(unknown))
	return left, nil
}

// read answers asks, and asks once more for those whose entry changed under the reading. An answer that is torn twice
// is not Known: the next version is a moment away.
func (c *Cache) read(ctx context.Context, asks []rail.Ask, left []rail.Left) error {
	torn, err := c.readOnce(ctx, asks, left)
	if err != nil || len(torn) == 0 {
		return err
	}
	c.counts.torn.Add(uint64(len(torn)))
	again, answers := make([]rail.Ask, len(torn)), make([]rail.Left, len(torn))
	for i, at := range torn {
		again[i] = asks[at]
	}
	if _, err := c.readOnce(ctx, again, answers); err != nil {
		return err
	}
	for i, at := range torn {
		left[at] = answers[i]
	}
	return nil
}

// readOnce answers asks by one pipeline and returns the places of those that were torn.
func (c *Cache) readOnce(ctx context.Context, asks []rail.Ask, left []rail.Left) (torn []int, err error) {
	pipe := c.client.Pipeline()
	reads := make([]reading, len(asks))
	for i, ask := range asks {
		reads[i] = read(ctx, pipe, ask)
	}
	_, err = pipe.Exec(ctx)
	failed := 0
	for i := range reads {
		if reads[i].failed() {
			failed++
			continue
		}
		answer, whole := reads[i].answer()
		if !whole {
			torn = append(torn, i)
		}
		left[i] = answer
	}
	if err != nil && failed == len(asks) {
		return nil, err
	}
	return torn, nil
}

// reading is the commands that read one ask's counts. The entry's header is read before and after: where both are the
// same, the counts between are of that version.
type reading struct {
	run           *rail.Run
	offset        int
	classes       int
	before, after *redis.StringCmd
	// counts is nil where before has the counts too.
	counts *redis.StringCmd
}

func read(ctx context.Context, pipe redis.Pipeliner, ask rail.Ask) reading {
	train := ask.Run.Train
	r := reading{run: ask.Run, classes: len(train.Formation.Classes)}
	r.offset = headerBytes + countBytes*r.classes*rail.PairIndex(len(train.Calls), ask.From, ask.To)
	key, end := entryKey(ask.Run.ID), int64(r.end()-1)
	if r.end() <= wholeBytes {
		r.before = pipe.GetRange(ctx, key, 0, end)
		return r
	}
	r.before = pipe.GetRange(ctx, key, 0, headerBytes-1)
	r.counts = pipe.GetRange(ctx, key, int64(r.offset), end)
	r.after = pipe.GetRange(ctx, key, 0, headerBytes-1)
	return r
}

// end is where the ask's counts end in the entry.
func (r *reading) end() int { return r.offset + countBytes*r.classes }

func (r *reading) failed() bool {
	if r.counts == nil {
		return r.before.Err() != nil
	}
	return errors.Join(r.before.Err(), r.counts.Err(), r.after.Err()) != nil
}

// answer is what was read; whole is false where it is of no one version.
func (r *reading) answer() (left rail.Left, whole bool) {
	entry := r.before.Val()
	if r.counts != nil {
		if r.after.Val() != entry {
			return rail.Left{}, false
		}
	}
	h, ok := decodeHeader(entry)
	if !ok || h.trainID != r.run.Train.ID || h.counts != r.classes*rail.Pairs(len(r.run.Train.Calls)) {
		return rail.Left{}, true
	}
	var counts string
	switch {
	case r.counts != nil:
		counts = r.counts.Val()
	case len(entry) == r.end():
		counts = entry[r.offset:]
	}
	if len(counts) != countBytes*r.classes {
		return rail.Left{}, true
	}
	return rail.Left{Known: true, Version: h.version, Status: h.status, Counts: decodeCounts(counts)}, true
}

// isForeign tells that a key holds something that is not an entry at all.
func isForeign(err error) bool { return redis.HasErrorPrefix(err, "WRONGTYPE") }
