package streams_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/availability"
	"interlock/services/ledger"
	"interlock/services/messages"
	"interlock/services/messages/streams"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

var (
	_ messages.Stream      = (*streams.Stream)(nil)
	_ messages.Queue       = (*streams.Stream)(nil)
	_ messages.DeadLetters = (*streams.Stream)(nil)
)

// fixture is a Stream on an empty Redis.
type fixture struct {
	*streams.Stream
	client redis.UniversalClient
}

// tests are what a Stream promises, on any Redis.
var tests = []struct {
	name string
	run  func(*testing.T, *fixture)
}{
	{"Append_InOrder", appendInOrder},
	{"Append_MovedOn", appendMovedOn},
	{"Append_ClockBehind", appendClockBehind},
	{"Append_Feeding", appendFeeding},
	{"Append_Large", appendLarge},
	{"Look", look},
	{"Groups_HowFar", groupsHowFar},
	{"Groups_OfNoStream", groupsOfNoStream},
	{"Trim", trim},
	{"Fresh_Waits", freshWaits},
	{"Own_AfterARestart", ownAfterARestart},
	{"TakeOver_OfTheDead", takeOverOfTheDead},
	{"Touch_CountsTries", touchCountsTries},
	{"Trimmed_IsAcknowledged", trimmedIsAcknowledged},
	{"NoGroup", noGroup},
	{"NoEvent", noEvent},
	{"Bury_ReplayAndDrop", buryReplayAndDrop},
	{"Bury_Bounded", buryBounded},
	{"Replay_ForItsGroupAlone", replayForItsGroupAlone},
	{"Follow", follow},
	{"Names_AreApart", namesAreApart},
}

func TestStream_Redis(t *testing.T) {
	server := serverstest.NewRedis(t)
	run(t, server.Addr())
}

func TestStream_Miniredis(t *testing.T) { run(t, miniredis.RunT(t).Addr()) }

func run(t *testing.T, addr string) {
	client, err := availability.Connect(availability.Options{Addrs: []string{addr}, CommandTimeout: time.Minute})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.NoError(t, client.FlushAll(t.Context()).Err())
			test.run(t, &fixture{Stream: streams.New(client, streams.Events), client: client})
		})
	}
}

// namesAreApart has two streams in one Redis, with groups of one name.
func namesAreApart(t *testing.T, f *fixture) {
	ctx := t.Context()
	other := &fixture{Stream: streams.New(f.client, streams.Payments), client: f.client}
	for _, stream := range []*fixture{f, other} {
		require.NoError(t, stream.MakeGroup(ctx, "sale"))
	}
	f.add(t, "a", 1, 2)
	require.Empty(t, other.all(t))
	require.Empty(t, other.fresh(t, "sale", "one", 10))
	given := f.fresh(t, "sale", "one", 10)
	require.Len(t, given, 2)
	require.NoError(t, f.Bury(ctx, "sale", given[0], "INTERNAL"))
	require.EqualValues(t, 1, f.group(t, "sale").Dead)
	require.Zero(t, other.group(t, "sale").Dead)
	dead, err := f.Dead(ctx, "sale", none, 10)
	require.NoError(t, err)
	was, err := other.Replay(ctx, "sale", dead[0].ID)
	require.NoError(t, err)
	require.False(t, was)
	require.NoError(t, f.BeginFeeding(ctx, ledger.StreamID{Millis: 5}))
	require.True(t, other.now(t).Feeding.IsZero())
	was, err = other.RemoveGroup(ctx, "sale")
	require.NoError(t, err)
	require.True(t, was)
	require.EqualValues(t, 1, f.group(t, "sale").Dead)
}

// events are n events of one order, from a version on.
func events(order string, version, n int64) []ledger.Event {
	all := make([]ledger.Event, n)
	for i := range all {
		all[i] = ledger.Event{
			Type: ledger.EventOrderPlaced, OrderID: order, OrderVersion: version + int64(i),
			RunID: rail.NewRunID("T12", rail.NewDate(2019, 10, 12)), RunVersion: 7,
			Time: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC),
		}
	}
	return all
}

var none = ledger.StreamID{}

// now is how the stream stands.
func (f *fixture) now(t *testing.T) messages.Standing {
	t.Helper()
	standing, err := f.Look(t.Context(), none)
	require.NoError(t, err)
	return standing
}

// add appends n events of an order behind whatever is there.
func (f *fixture) add(t *testing.T, order string, version, n int64) ledger.StreamID {
	t.Helper()
	last, err := f.Append(t.Context(), f.now(t), none, events(order, version, n))
	require.NoError(t, err)
	return last
}

// all are all entries of the stream.
func (f *fixture) all(t *testing.T) []messages.Delivery {
	t.Helper()
	found, err := f.Follow(t.Context(), none, 10_000, time.Millisecond)
	require.NoError(t, err)
	return found
}

func appendInOrder(t *testing.T, f *fixture) {
	first := f.add(t, "a", 1, 3)
	require.Equal(t, first, f.now(t).Last)
	second := f.add(t, "b", 1, 2)
	require.Positive(t, second.Compare(first))
	var got []string
	found := f.all(t)
	for i := range found {
		require.NoError(t, found[i].Err)
		got = append(got, found[i].Event.ID())
	}
	require.Equal(t, []string{"a.1", "a.2", "a.3", "b.1", "b.2"}, got)
	require.Equal(t, events("a", 2, 1)[0], found[1].Event)
	for _, batch := range []struct{ first, last int }{{0, 2}, {3, 4}} { // Sequence numbers rise by one.
		from, to := found[batch.first].ID, found[batch.last].ID
		require.Equal(t, from.Millis, to.Millis)
		require.EqualValues(t, batch.last-batch.first, to.Seq-from.Seq)
	}
	require.Equal(t, second, found[4].ID)
}

func appendMovedOn(t *testing.T, f *fixture) {
	ctx := t.Context()
	empty := f.now(t)
	last := f.add(t, "a", 1, 1)
	standing := f.now(t)
	_, err := f.Append(ctx, empty, none, events("a", 2, 1))
	require.ErrorIs(t, err, messages.ErrMovedOn, "another was faster")
	require.NoError(t, f.client.FlushAll(ctx).Err())
	_, err = f.Append(ctx, standing, last, events("a", 2, 1))
	require.ErrorIs(t, err, messages.ErrMovedOn, "it has lost everything")
	require.Empty(t, f.all(t))

	first := f.add(t, "a", 1, 2)
	standing = f.now(t)
	require.NoError(t, f.client.XDel(ctx, streams.StreamKey, first.String()).Err())
	_, err = f.Append(ctx, standing, first, events("a", 3, 1))
	require.ErrorIs(t, err, messages.ErrMovedOn, "it has lost its end")
}

func appendClockBehind(t *testing.T, f *fixture) {
	ahead := ledger.StreamID{Millis: time.Now().Add(time.Hour).UnixMilli(), Seq: 5}
	last, err := f.Append(t.Context(), f.now(t), ahead, events("a", 1, 2))
	require.NoError(t, err)
	require.Equal(t, ledger.StreamID{Millis: ahead.Millis, Seq: 7}, last)
	// The stream itself is past what the caller knows.
	again, err := f.Append(t.Context(), f.now(t), ahead, events("a", 3, 1))
	require.NoError(t, err)
	require.Positive(t, again.Compare(last))
}

func appendFeeding(t *testing.T, f *fixture) {
	ctx := t.Context()
	low, high := ledger.StreamID{Millis: 5, Seq: 1}, ledger.StreamID{Millis: 5, Seq: 2}
	_, err := f.Append(ctx, messages.Standing{Feeding: low}, low, events("a", 1, 1))
	require.ErrorIs(t, err, messages.ErrMovedOn, "it is not being fed")
	require.NoError(t, f.BeginFeeding(ctx, low))
	require.NoError(t, f.BeginFeeding(ctx, high))
	require.NoError(t, f.BeginFeeding(ctx, low))
	require.Equal(t, high, f.now(t).Feeding, "the greater place stays")
	_, err = f.Append(ctx, messages.Standing{}, none, events("a", 1, 1))
	require.ErrorIs(t, err, messages.ErrMovedOn, "new events wait")
	_, err = f.Append(ctx, messages.Standing{Feeding: low}, low, events("a", 1, 1))
	require.ErrorIs(t, err, messages.ErrMovedOn, "it is fed up to another place")
	_, err = f.Append(ctx, messages.Standing{Feeding: high}, high, events("a", 1, 1))
	require.NoError(t, err)
	require.NoError(t, f.EndFeeding(ctx, low))
	require.Equal(t, high, f.now(t).Feeding, "another place's feeding has ended")
	require.NoError(t, f.EndFeeding(ctx, high))
	require.True(t, f.now(t).Feeding.IsZero())
	f.add(t, "a", 2, 1)
	require.Len(t, f.all(t), 2)
}

func appendLarge(t *testing.T, f *fixture) {
	last := f.add(t, "a", 1, 4_000)
	found := f.all(t)
	require.Len(t, found, 4_000)
	require.Equal(t, last, found[3_999].ID)
	require.EqualValues(t, 3_999, last.Seq-found[0].ID.Seq)
}

func look(t *testing.T, f *fixture) {
	standing, err := f.Look(t.Context(), none)
	require.NoError(t, err)
	require.Equal(t, messages.Standing{}, standing)
	last := f.add(t, "a", 1, 2)
	standing, err = f.Look(t.Context(), last)
	require.NoError(t, err)
	require.Equal(t, messages.Standing{
		First: ledger.StreamID{Millis: last.Millis, Seq: last.Seq - 1}, Last: last, Has: true,
	}, standing)
	standing, err = f.Look(t.Context(), ledger.StreamID{Millis: last.Millis + 1})
	require.NoError(t, err)
	require.False(t, standing.Has)
}

// group is what the stream says of one.
func (f *fixture) group(t *testing.T, name string) messages.Group {
	t.Helper()
	groups, err := f.Groups(t.Context())
	require.NoError(t, err)
	for i := range groups {
		if groups[i].Name == name {
			return groups[i]
		}
	}
	t.Fatalf("there is no group %s", name)
	return messages.Group{}
}

func (f *fixture) fresh(t *testing.T, group, consumer string, limit int) []messages.Delivery {
	t.Helper()
	found, err := f.Fresh(t.Context(), group, consumer, limit, time.Millisecond)
	require.NoError(t, err)
	return found
}

func groupsHowFar(t *testing.T, f *fixture) {
	ctx := t.Context()
	require.NoError(t, f.MakeGroup(ctx, "pay"))
	require.NoError(t, f.MakeGroup(ctx, "notify"))
	require.NoError(t, f.MakeGroup(ctx, "pay"), "it is left alone")
	groups, err := f.Groups(ctx)
	require.NoError(t, err)
	require.Equal(t, []messages.Group{{Name: "notify"}, {Name: "pay"}}, groups)

	last := f.add(t, "a", 1, 3)
	first := ledger.StreamID{Millis: last.Millis, Seq: last.Seq - 2}
	g := f.group(t, "pay")
	require.Equal(t, first, g.Waits, "no consumer was given it yet")
	require.True(t, g.Acknowledged.IsZero())

	given := f.fresh(t, "pay", "one", 2)
	require.Len(t, given, 2)
	g = f.group(t, "pay")
	require.EqualValues(t, 2, g.Pending)
	require.Equal(t, first, g.Waits)
	require.Negative(t, g.Acknowledged.Compare(first))
	require.Less(t, g.Lag, time.Minute)

	require.NoError(t, f.Acknowledge(ctx, "pay", []ledger.StreamID{given[1].ID}))
	require.Equal(t, first, f.group(t, "pay").Waits, "out of order")
	require.NoError(t, f.Acknowledge(ctx, "pay", []ledger.StreamID{given[0].ID}))
	g = f.group(t, "pay")
	require.Equal(t, given[1].ID, g.Acknowledged)
	require.Equal(t, last, g.Waits)

	given = f.fresh(t, "pay", "one", 2)
	require.Len(t, given, 1)
	require.NoError(t, f.Acknowledge(ctx, "pay", []ledger.StreamID{given[0].ID}))
	require.Equal(t, messages.Group{Name: "pay", Acknowledged: last}, f.group(t, "pay"))
	require.Equal(t, first, f.group(t, "notify").Waits)

	was, err := f.RemoveGroup(ctx, "notify")
	require.NoError(t, err)
	require.True(t, was)
	was, err = f.RemoveGroup(ctx, "notify")
	require.NoError(t, err)
	require.False(t, was)
}

func groupsOfNoStream(t *testing.T, f *fixture) {
	groups, err := f.Groups(t.Context())
	require.NoError(t, err)
	require.Empty(t, groups)
	was, err := f.RemoveGroup(t.Context(), "pay")
	require.NoError(t, err)
	require.False(t, was)
}

func trim(t *testing.T, f *fixture) {
	last := f.add(t, "a", 1, 1_000)
	require.NoError(t, f.Trim(t.Context(), ledger.StreamID{Millis: last.Millis, Seq: last.Seq - 10}))
	found := f.all(t)
	require.GreaterOrEqual(t, len(found), 11)
	require.Less(t, len(found), 211)
	require.Equal(t, last, found[len(found)-1].ID)
	require.NoError(t, f.Trim(t.Context(), ledger.StreamID{Millis: math.MaxInt64, Seq: math.MaxInt64}))
	next := f.add(t, "a", 2_000, 1)
	require.Positive(t, next.Compare(last), "an empty stream knows how far it was")
}

func freshWaits(t *testing.T, f *fixture) {
	require.NoError(t, f.MakeGroup(t.Context(), "pay"))
	require.Empty(t, f.fresh(t, "pay", "one", 10))
	got := make(chan []messages.Delivery, 1)
	go func() {
		found, err := f.Fresh(t.Context(), "pay", "one", 10, 20*time.Second)
		if err != nil {
			found = nil
		}
		got <- found
	}()
	f.add(t, "a", 1, 1)
	found := <-got
	require.Len(t, found, 1)
	require.Equal(t, 1, found[0].Try)
	require.Equal(t, "a.1", found[0].Event.ID())

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := f.Fresh(ctx, "pay", "one", 10, time.Hour)
		ended <- err
	}()
	cancel()
	require.Error(t, <-ended)
}

func ownAfterARestart(t *testing.T, f *fixture) {
	ctx := t.Context()
	require.NoError(t, f.MakeGroup(ctx, "pay"))
	f.add(t, "a", 1, 5)
	require.Len(t, f.fresh(t, "pay", "one", 4), 4)
	require.Len(t, f.fresh(t, "pay", "two", 4), 1)
	own, next, err := f.Own(ctx, "pay", "one", none, 3)
	require.NoError(t, err)
	require.Len(t, own, 3)
	require.Equal(t, own[2].ID, next)
	require.Equal(t, "a.1", own[0].Event.ID())
	require.Equal(t, 2, own[0].Try, "the consumer that was restarted made one")
	own, next, err = f.Own(ctx, "pay", "one", next, 3)
	require.NoError(t, err)
	require.Len(t, own, 1)
	require.True(t, next.IsZero())
	require.Equal(t, "a.4", own[0].Event.ID())
	own, next, err = f.Own(ctx, "pay", "three", none, 3)
	require.NoError(t, err)
	require.Empty(t, own)
	require.True(t, next.IsZero())
}

func takeOverOfTheDead(t *testing.T, f *fixture) {
	ctx := t.Context()
	require.NoError(t, f.MakeGroup(ctx, "pay"))
	f.add(t, "a", 1, 3)
	require.Len(t, f.fresh(t, "pay", "dead", 2), 2)
	require.Len(t, f.fresh(t, "pay", "one", 2), 1)
	taken, err := f.TakeOver(ctx, "pay", "one", time.Hour, 10)
	require.NoError(t, err)
	require.Empty(t, taken, "they were touched within the hour")
	taken, err = f.TakeOver(ctx, "pay", "one", 0, 10)
	require.NoError(t, err)
	require.Len(t, taken, 2, "not what it has itself")
	require.Equal(t, "a.1", taken[0].Event.ID())
	require.Equal(t, 2, taken[0].Try)
	own, _, err := f.Own(ctx, "pay", "one", none, 10)
	require.NoError(t, err)
	require.Len(t, own, 3)
	own, _, err = f.Own(ctx, "pay", "dead", none, 10)
	require.NoError(t, err)
	require.Empty(t, own)
}

func touchCountsTries(t *testing.T, f *fixture) {
	ctx := t.Context()
	require.NoError(t, f.MakeGroup(ctx, "pay"))
	f.add(t, "a", 1, 2)
	given := f.fresh(t, "pay", "one", 2)
	given[0].Try = 7
	require.NoError(t, f.Touch(ctx, "pay", "one", given))
	require.NoError(t, f.Touch(ctx, "pay", "one", nil))
	taken, err := f.TakeOver(ctx, "pay", "two", 0, 10)
	require.NoError(t, err)
	require.Len(t, taken, 2)
	require.Equal(t, []int{8, 2}, []int{taken[0].Try, taken[1].Try})
	require.NoError(t, f.Acknowledge(ctx, "pay", []ledger.StreamID{given[0].ID}))
	require.NoError(t, f.Touch(ctx, "pay", "one", given), "what is acknowledged stays so")
	require.EqualValues(t, 1, f.group(t, "pay").Pending)
}

func trimmedIsAcknowledged(t *testing.T, f *fixture) {
	ctx := t.Context()
	for _, name := range []string{"own", "over"} {
		require.NoError(t, f.MakeGroup(ctx, name))
	}
	last := f.add(t, "a", 1, 3)
	for _, name := range []string{"own", "over"} {
		require.Len(t, f.fresh(t, name, "one", 3), 3)
	}
	require.NoError(t, f.client.XTrimMaxLen(ctx, streams.StreamKey, 1).Err())
	own, _, err := f.Own(ctx, "own", "one", none, 10)
	require.NoError(t, err)
	require.Len(t, own, 1)
	require.Equal(t, last, own[0].ID)
	require.EqualValues(t, 1, f.group(t, "own").Pending)
	require.Equal(t, last, f.group(t, "own").Waits)
	taken, err := f.TakeOver(ctx, "over", "two", 0, 10)
	require.NoError(t, err)
	require.Len(t, taken, 1)
	require.EqualValues(t, 1, f.group(t, "over").Pending)
}

func noGroup(t *testing.T, f *fixture) {
	ctx := t.Context()
	for range 2 { // Without the stream, and with it.
		_, err := f.Fresh(ctx, "pay", "one", 1, time.Millisecond)
		require.ErrorIs(t, err, messages.ErrNoGroup)
		_, _, err = f.Own(ctx, "pay", "one", none, 1)
		require.ErrorIs(t, err, messages.ErrNoGroup)
		_, err = f.TakeOver(ctx, "pay", "one", 0, 1)
		require.ErrorIs(t, err, messages.ErrNoGroup)
		f.add(t, "a", 1, 1)
	}
	require.NoError(t, f.MakeGroup(ctx, "pay"))
	require.Len(t, f.fresh(t, "pay", "one", 9), 2, "a group begins with what is there")
}

func noEvent(t *testing.T, f *fixture) {
	ctx := t.Context()
	require.NoError(t, f.MakeGroup(ctx, "pay"))
	for _, values := range [][]string{{"event", "{}"}, {"event", "nothing"}, {"other", "x"}} {
		require.NoError(t, f.client.XAdd(ctx, &redis.XAddArgs{Stream: streams.StreamKey, Values: values}).Err())
	}
	given := f.fresh(t, "pay", "one", 9)
	require.Len(t, given, 3)
	for i := range given {
		require.Error(t, given[i].Err)
	}
	require.Equal(t, "nothing", given[1].Text)
}

func buryReplayAndDrop(t *testing.T, f *fixture) {
	ctx := t.Context()
	require.NoError(t, f.MakeGroup(ctx, "pay"))
	f.add(t, "a", 1, 3)
	given := f.fresh(t, "pay", "one", 9)
	for i := range given {
		given[i].Try = 4 + i
		require.NoError(t, f.Bury(ctx, "pay", given[i], fmt.Sprintf("reason %d", i)))
		require.NoError(t, f.Bury(ctx, "pay", given[i], "again"), "it is one already")
	}
	g := f.group(t, "pay")
	require.EqualValues(t, 3, g.Dead)
	require.Zero(t, g.Pending)
	dead, err := f.Dead(ctx, "pay", none, 2)
	require.NoError(t, err)
	require.Len(t, dead, 2)
	require.Equal(t, given[0].Text, dead[0].Text)
	require.Equal(t, "reason 0", dead[0].Reason)
	require.Equal(t, 4, dead[0].Tries)
	require.WithinDuration(t, time.Now(), dead[0].At, time.Minute)
	rest, err := f.Dead(ctx, "pay", dead[1].ID, 2)
	require.NoError(t, err)
	require.Len(t, rest, 1)

	for _, had := range []bool{true, false} {
		was, err := f.Drop(ctx, "pay", dead[0].ID)
		require.NoError(t, err)
		require.Equal(t, had, was)
		was, err = f.Replay(ctx, "pay", dead[1].ID)
		require.NoError(t, err)
		require.Equal(t, had, was)
	}
	require.EqualValues(t, 1, f.group(t, "pay").Dead)
	given = f.fresh(t, "pay", "one", 9)
	require.Len(t, given, 1)
	require.Equal(t, "a.2", given[0].Event.ID())
	require.Equal(t, 1, given[0].Try)
	require.False(t, given[0].Elsewhere)
}

func buryBounded(t *testing.T, f *fixture) {
	ctx := t.Context()
	f.SetMaxDead(1)
	require.NoError(t, f.MakeGroup(ctx, "pay"))
	f.add(t, "a", 1, 2)
	given := f.fresh(t, "pay", "one", 9)
	require.NoError(t, f.Bury(ctx, "pay", given[0], "one"))
	require.ErrorIs(t, f.Bury(ctx, "pay", given[1], "two"), messages.ErrFull)
	require.EqualValues(t, 1, f.group(t, "pay").Pending, "it is not acknowledged")
}

func replayForItsGroupAlone(t *testing.T, f *fixture) {
	ctx := t.Context()
	require.NoError(t, f.MakeGroup(ctx, "pay"))
	require.NoError(t, f.MakeGroup(ctx, "notify"))
	f.add(t, "a", 1, 1)
	require.Len(t, f.fresh(t, "notify", "one", 9), 1)
	given := f.fresh(t, "pay", "one", 9)
	require.NoError(t, f.Bury(ctx, "pay", given[0], "x"))
	dead, err := f.Dead(ctx, "pay", none, 1)
	require.NoError(t, err)
	was, err := f.Replay(ctx, "pay", dead[0].ID)
	require.NoError(t, err)
	require.True(t, was)
	require.False(t, f.fresh(t, "pay", "one", 9)[0].Elsewhere)
	require.True(t, f.fresh(t, "notify", "one", 9)[0].Elsewhere)
}

func follow(t *testing.T, f *fixture) {
	ctx := t.Context()
	last, err := f.Last(ctx)
	require.NoError(t, err)
	require.True(t, last.IsZero())
	f.add(t, "a", 1, 2)
	last, err = f.Last(ctx)
	require.NoError(t, err)
	found, err := f.Follow(ctx, last, 10, time.Millisecond)
	require.NoError(t, err)
	require.Empty(t, found)
	f.add(t, "a", 3, 1)
	found, err = f.Follow(ctx, last, 10, time.Second)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "a.3", found[0].Event.ID())
}
