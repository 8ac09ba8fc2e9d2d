package availabilitytest

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/availability"
	"interlock/services/rail"
)

func (f *fixture) listen(t *testing.T, follow ...*rail.Run) availability.Listener {
	listener, err := f.cache.Listen(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	for _, r := range follow {
		require.NoError(t, listener.Follow(t.Context(), r.ID))
	}
	return listener
}

// next is the next change that comes.
func next(t *testing.T, listener availability.Listener) rail.Change {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case change, ok := <-listener.Changes():
		require.True(t, ok, "the listener was closed")
		return change
	case <-timeout.C:
		require.Fail(t, "no change came")
		return rail.Change{}
	}
}

// end says something that comes after everything that was said before, and requires that nothing else comes.
func (f *fixture) end(t *testing.T, listener availability.Listener, r *rail.Run) {
	t.Helper()
	end := rail.Change{RunID: r.ID, OrderID: "the-end", Version: 1}
	require.NoError(t, f.cache.Announce(t.Context(), end))
	require.Equal(t, end, next(t, listener))
}

func listenEveryWriteTells(t *testing.T, f *fixture) {
	r := run(short(), 0)
	listener := f.listen(t, r)
	told := func(version int64) {
		t.Helper()
		require.Equal(t, rail.Change{RunID: r.ID, Version: version}, next(t, listener))
	}
	f.apply(t, left(r, 1))
	told(1)
	require.NoError(t, f.cache.Replace(t.Context(), left(r, 105), 1))
	told(105)
	require.NoError(t, f.cache.Load(t.Context(), []*rail.Availability{left(r, 106)}))
	told(106)
	require.NoError(t, f.server.FlushAll(t.Context()))
	require.NoError(t, f.cache.Load(t.Context(), []*rail.Availability{left(r, 107)}))
	told(107)

	order := rail.Change{RunID: r.ID, OrderID: "0199-abc", Version: 3}
	require.NoError(t, f.cache.Announce(t.Context(), order))
	require.Equal(t, order, next(t, listener))

	// What changes nothing tells nothing.
	f.apply(t, left(r, 106), left(r, 107))
	require.NoError(t, f.cache.Load(t.Context(), []*rail.Availability{left(r, 107)}))
	require.NoError(t, f.cache.Replace(t.Context(), left(r, 108), 106))
	f.end(t, listener, r)
}

func listenOnlyFollowed(t *testing.T, f *fixture) {
	a, b, c := run(short(), 0), run(short(), 1), run(short(), 2)
	listener := f.listen(t, a, b)
	require.NoError(t, listener.Follow(t.Context(), a.ID, b.ID), "again, and nothing comes twice")
	f.apply(t, left(c, 1), left(a, 1), left(b, 1))
	require.Equal(t, a.ID, next(t, listener).RunID)
	require.Equal(t, b.ID, next(t, listener).RunID)

	require.NoError(t, listener.Unfollow(t.Context(), a.ID, c.ID))
	require.NoError(t, listener.Unfollow(t.Context()))
	require.NoError(t, listener.Follow(t.Context(), c.ID)) // confirmed after the other was taken back
	f.apply(t, left(a, 2))
	f.end(t, listener, b)

	require.NoError(t, listener.Follow(t.Context(), a.ID))
	f.apply(t, left(a, 3))
	require.Equal(t, rail.Change{RunID: a.ID, Version: 3}, next(t, listener))
}

// Anything may be published on a channel. What is no change is passed over, and does no harm.
func listenAnythingPublished(t *testing.T, f *fixture) {
	r := run(short(), 0)
	listener := f.listen(t, r)
	for _, message := range []string{
		"", "r", "r ", "r x", "r -1", "r 1 2", "o 1", "o 1 ", "o x y", "x 1",
		"r 99999999999999999999",
	} {
		require.NoError(t, f.client.Publish(t.Context(), "{"+string(r.ID)+"}:changes", message).Err())
	}
	f.end(t, listener, r)
}

// A reader that does nothing loses the oldest changes. It neither blocks writers nor grows.
func listenBehindLosesOldest(t *testing.T, f *fixture) {
	const said, keptAtMost = 5_000, 2_000
	r := run(short(), 0)
	listener := f.listen(t, r)
	pipe := f.client.Pipeline()
	for version := range int64(said) {
		pipe.Publish(t.Context(), "{"+string(r.ID)+"}:changes", "r "+strconv.FormatInt(version+1, 10))
	}
	_, err := pipe.Exec(t.Context())
	require.NoError(t, err)
	var kept []rail.Change
	eventually(t, func() bool { return f.cache.Stats().Dropped+uint64(len(listener.Changes())) == said })
	for len(kept) == 0 || kept[len(kept)-1].Version < said {
		kept = append(kept, next(t, listener))
	}
	require.Less(t, len(kept), keptAtMost)
	require.EqualValues(t, said, f.cache.Stats().Dropped+uint64(len(kept)))
	for i, change := range kept {
		require.EqualValues(t, said-len(kept)+1+i, change.Version)
	}
}

func listenClose(t *testing.T, f *fixture) {
	r := run(short(), 0)
	listener := f.listen(t, r)
	require.NoError(t, listener.Close())
	_, open := <-listener.Changes()
	require.False(t, open)
	require.Error(t, listener.Follow(t.Context(), run(short(), 1).ID))
	require.NoError(t, listener.Unfollow(t.Context(), r.ID))
	require.NoError(t, listener.Close())
	f.apply(t, left(r, 1))
}

func waitTold(t *testing.T, told <-chan struct{}) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case _, ok := <-told:
		require.True(t, ok)
	case <-timeout.C:
		require.Fail(t, "not told")
	}
}

func publicationsTold(t *testing.T, f *fixture) {
	told, closer := f.cache.ListenPublications()
	t.Cleanup(func() { require.NoError(t, closer()) })
	waitTold(t, told) // it has begun to hear
	for range 3 {
		require.NoError(t, f.cache.AnnouncePublication(t.Context()))
		waitTold(t, told)
	}
	for range 100 { // nobody listens, and nobody is kept
		require.NoError(t, f.cache.AnnouncePublication(t.Context()))
	}
	waitTold(t, told)
	require.NoError(t, closer())
	for range told {
	}
}

func redisKilledAndBack(t *testing.T, f *fixture) {
	r := run(short(), 0)
	f.cache.Heartbeat = 50 * time.Millisecond
	listener := f.listen(t, r)
	told, closer := f.cache.ListenPublications()
	defer func() { require.NoError(t, closer()) }()
	waitTold(t, told)
	f.apply(t, left(r, 1))
	require.EqualValues(t, 1, next(t, listener).Version)
	f.markLoaded(t)

	require.NoError(t, f.server.Kill())
	within := func(call func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := call(ctx)
		require.Less(t, time.Since(start), patience/4)
		return err
	}
	require.Error(t, within(func(ctx context.Context) error { return f.cache.Apply(ctx, left(r, 2)) }))
	require.Error(t, within(func(ctx context.Context) error {
		_, err := f.cache.Remaining(ctx, []rail.Ask{last(r)})
		return err
	}))
	other := run(short(), 1)
	require.Error(t, within(func(ctx context.Context) error { return listener.Follow(ctx, other.ID) }))

	require.NoError(t, f.server.Start(t.Context()))
	back := availability.New(f.connect(t))
	eventually(t, func() bool { return back.Ping(t.Context()) == nil })
	eventually(t, func() bool { return f.cache.Ping(t.Context()) == nil })
	loaded, err := f.cache.Loaded(t.Context())
	require.NoError(t, err)
	require.False(t, loaded)
	require.False(t, f.remaining(t, r).Known)

	// It hears again of what it followed, also of what it could not follow then, and is told that it has missed things.
	heard := map[rail.RunID]bool{}
	for len(heard) < 2 {
		change := next(t, listener)
		require.True(t, change.Version == 0 || change.RunID == other.ID, change)
		heard[change.RunID] = true
		if !heard[other.ID] {
			require.NoError(t, f.cache.Announce(t.Context(), rail.Change{RunID: other.ID, Version: 9}))
		}
	}
	waitTold(t, told)
	f.apply(t, left(r, 2))
	for next(t, listener) != (rail.Change{RunID: r.ID, Version: 2}) {
	}
	require.EqualValues(t, 2, f.remaining(t, r).Version)
}
