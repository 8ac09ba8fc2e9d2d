// Package streams keeps events in Redis streams, and the dead letters of each group in a stream of its own.
//
// It uses what Redis 7.0, Valkey and miniredis have in common. All keys of a stream share one hash tag, so that a
// script may use them together in a Cluster. What Redis forgets without a disk of its own, or in the last second before
// a crash, the relay makes good; dead letters it cannot.
//
// A Stream may be used by many goroutines. Every call ends by its context's deadline, or by those of the client.
package streams

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"interlock/services/ledger"
	"interlock/services/messages"
)

// The names of streams.
const (
	// Events has the events of orders and runs.
	Events = "events"
	// Payments has those of payments.
	Payments = "payments"
)

// The fields of entries.
const (
	eventField  = "event"
	groupField  = "group"
	reasonField = "reason"
	triesField  = "tries"
)

// MaxDead is how many dead letters a group may have. They wait for a person, who reads them one by one.
const MaxDead = 10_000

var (
	//go:embed lua/append.lua
	appendLua string
	//go:embed lua/feed.lua
	feedLua string
	//go:embed lua/fed.lua
	fedLua string
	//go:embed lua/bury.lua
	buryLua string
	//go:embed lua/replay.lua
	replayLua string
)

// Stream is a stream of events.
type Stream struct {
	client redis.UniversalClient
	// key is the stream's, feeding that of the place up to which it is being fed. tagged begins the keys beside the
	// stream. A key's hash tag is what is in braces, or else all of it.
	key, feeding, tagged            string
	append, feed, fed, bury, replay *redis.Script
	maxDead                         int
}

// New makes the Stream of a name: lower-case letters. Streams of different names share nothing: their groups and dead
// letters are apart. The client stays its maker's.
func New(client redis.UniversalClient, name string) *Stream {
	key := "interlock:" + name
	tagged := "{" + key + "}:"
	return &Stream{
		client: client, key: key, feeding: tagged + "feeding", tagged: tagged, maxDead: MaxDead,
		append: redis.NewScript(appendLua), feed: redis.NewScript(feedLua), fed: redis.NewScript(fedLua),
		bury: redis.NewScript(buryLua), replay: redis.NewScript(replayLua),
	}
}

// dead is the key of a group's dead letters.
func (s *Stream) dead(group string) string { return s.tagged + "dead:" + group }

// Ping is nil when Redis answers.
func (s *Stream) Ping(ctx context.Context) error { return s.client.Ping(ctx).Err() }

// Look implements messages.Stream.
func (s *Stream) Look(ctx context.Context, entry ledger.StreamID) (messages.Standing, error) {
	var standing messages.Standing
	var first, final, asked *redis.XMessageSliceCmd
	var feeding *redis.StringCmd
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		first = p.XRangeN(ctx, s.key, "-", "+", 1)
		final = p.XRevRangeN(ctx, s.key, "+", "-", 1)
		asked = p.XRange(ctx, s.key, entry.String(), entry.String())
		feeding = p.Get(ctx, s.feeding)
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return standing, err
	}
	standing.Has = len(asked.Val()) > 0
	if standing.First, err = placeOf(first.Val()); err != nil {
		return standing, err
	}
	if standing.Last, err = placeOf(final.Val()); err != nil {
		return standing, err
	}
	if noted := feeding.Val(); noted != "" {
		standing.Feeding, err = ledger.ParseStreamID(noted)
		return standing, err
	}
	return standing, nil
}

// placeOf is the place of the first of some entries; zero where there are none.
func placeOf(entries []redis.XMessage) (ledger.StreamID, error) {
	if len(entries) == 0 {
		return ledger.StreamID{}, nil
	}
	return ledger.ParseStreamID(entries[0].ID)
}

// Append implements messages.Stream.
func (s *Stream) Append(
	ctx context.Context, standing messages.Standing, after ledger.StreamID, events []ledger.Event,
) (ledger.StreamID, error) {
	if len(events) == 0 {
		return ledger.StreamID{}, errors.New("no events to append")
	}
	args := make([]any, 0, 3+len(events))
	args = append(args, standing.Last.String(), standing.Feeding.String(), after.String())
	for i := range events {
		text, err := events[i].MarshalJSON() // json.Marshal would look through it once more
		if err != nil {
			return ledger.StreamID{}, err
		}
		args = append(args, text)
	}
	last, err := s.append.Run(ctx, s.client, []string{s.key, s.feeding}, args...).Text()
	switch {
	case err != nil:
		return ledger.StreamID{}, err
	case last == "":
		return ledger.StreamID{}, messages.ErrMovedOn
	}
	return ledger.ParseStreamID(last)
}

// BeginFeeding implements messages.Stream.
func (s *Stream) BeginFeeding(ctx context.Context, upTo ledger.StreamID) error {
	return s.feed.Run(ctx, s.client, []string{s.feeding}, upTo.String(), upTo.Millis, upTo.Seq).Err()
}

// EndFeeding implements messages.Stream.
func (s *Stream) EndFeeding(ctx context.Context, upTo ledger.StreamID) error {
	return s.fed.Run(ctx, s.client, []string{s.feeding}, upTo.String()).Err()
}

// MakeGroup implements messages.Stream and messages.Queue.
func (s *Stream) MakeGroup(ctx context.Context, name string) error {
	err := s.client.XGroupCreateMkStream(ctx, s.key, name, "0-0").Err()
	if redis.HasErrorPrefix(err, "BUSYGROUP") {
		return nil
	}
	return err
}

// RemoveGroup removes a group with its dead letters, and tells whether it was there.
func (s *Stream) RemoveGroup(ctx context.Context, name string) (bool, error) {
	removed, err := s.client.XGroupDestroy(ctx, s.key, name).Result()
	if isNoStream(err) {
		err = nil
	}
	return removed > 0, errors.Join(err, s.client.Del(ctx, s.dead(name)).Err())
}

// Trim implements messages.Stream. It removes whole blocks of about a hundred entries.
func (s *Stream) Trim(ctx context.Context, before ledger.StreamID) error {
	return s.client.XTrimMinIDApprox(ctx, s.key, before.String(), 0).Err()
}

// Groups implements messages.Stream.
func (s *Stream) Groups(ctx context.Context) ([]messages.Group, error) {
	// How far it was delivered is read before what is pending: what was delivered in between is then not taken for
	// acknowledged.
	found, err := s.client.XInfoGroups(ctx, s.key).Result()
	if isNoStream(err) {
		return nil, nil
	}
	if err != nil || len(found) == 0 {
		return nil, err
	}
	groups := make([]messages.Group, len(found))
	pending := make([]*redis.XPendingCmd, len(found))
	dead := make([]*redis.IntCmd, len(found))
	var now *redis.TimeCmd
	_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range found {
			pending[i] = p.XPending(ctx, s.key, found[i].Name)
			dead[i] = p.XLen(ctx, s.dead(found[i].Name))
		}
		now = p.Time(ctx)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range found {
		groups[i] = messages.Group{Name: found[i].Name, Pending: pending[i].Val().Count, Dead: dead[i].Val()}
		if err := s.place(ctx, &groups[i], &found[i], pending[i].Val(), now.Val()); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(groups, func(a, b messages.Group) int { return cmp.Compare(a.Name, b.Name) })
	return groups, nil
}

// place says how far a group has come.
func (s *Stream) place(
	ctx context.Context, group *messages.Group, found *redis.XInfoGroup, pending *redis.XPending, now time.Time,
) error {
	delivered, err := ledger.ParseStreamID(found.LastDeliveredID)
	if err != nil {
		return err
	}
	group.Acknowledged = delivered
	if pending.Count > 0 {
		lowest, err := ledger.ParseStreamID(pending.Lower)
		if err != nil {
			return err
		}
		if lowest.Compare(delivered) <= 0 {
			group.Acknowledged, group.Waits = before(lowest), lowest
		}
	}
	if group.Waits.IsZero() {
		next, err := s.client.XRangeN(ctx, s.key, following(delivered).String(), "+", 1).Result()
		if err != nil || len(next) == 0 {
			return err
		}
		if group.Waits, err = placeOf(next); err != nil {
			return err
		}
	}
	group.Lag = max(0, now.Sub(time.UnixMilli(group.Waits.Millis)))
	return nil
}

// maxSeq is the greatest sequence number that is told to Redis. The greatest of all is unsigned.
const maxSeq = 1<<63 - 1

// before is the place right before an entry.
func before(id ledger.StreamID) ledger.StreamID {
	if id.Seq > 0 {
		return ledger.StreamID{Millis: id.Millis, Seq: id.Seq - 1}
	}
	return ledger.StreamID{Millis: max(0, id.Millis-1), Seq: maxSeq}
}

// following is the place right after an entry.
func following(id ledger.StreamID) ledger.StreamID {
	if id.Seq == maxSeq {
		return ledger.StreamID{Millis: id.Millis + 1}
	}
	return ledger.StreamID{Millis: id.Millis, Seq: id.Seq + 1}
}

// isNoStream tells whether an answer says that the stream is not there.
func isNoStream(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer) &&
		(strings.Contains(answer.Error(), "no such key") ||
			strings.Contains(answer.Error(), "requires the key to exist"))
}
