package availabilitytest

import (
	"context"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"interlock/services/availability"
	"interlock/services/rail"
)

func remainingEveryPair(t *testing.T, f *fixture) {
	for _, train := range []*rail.Train{short(), long()} {
		r := run(train, 0)
		stored := left(r, 5)
		for i := range stored.Counts {
			stored.Counts[i] = uint16(i)
		}
		f.apply(t, stored)

		var asks []rail.Ask
		var want []rail.Left
		classes := len(train.Formation.Classes)
		for from := range train.Calls {
			for to := from + 1; to < len(train.Calls); to++ {
				asks = append(asks, rail.Ask{Run: r, From: from, To: to})
				at := classes * rail.PairIndex(len(train.Calls), from, to)
				want = append(want, rail.Left{
					Known: true, Version: 5, Status: rail.Published, Counts: stored.Counts[at : at+classes],
				})
			}
		}
		got, err := f.cache.Remaining(t.Context(), asks)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	none, err := f.cache.Remaining(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

func remainingStatus(t *testing.T, f *fixture) {
	r := run(short(), 0)
	for version, status := range []rail.RunStatus{rail.Published, rail.Suspended, rail.Withdrawn} {
		a := left(r, int64(version))
		a.Status = status
		f.apply(t, a)
		require.Equal(t, status, f.remaining(t, r).Status)
		require.Equal(t, status, f.stored(t, r).Status)
	}
}

// Where there is no answer, what is left is not known, which is other than 0. The other answers come all the same.
func remainingUnknown(t *testing.T, f *fixture) {
	for _, train := range []*rail.Train{short(), long()} {
		known, missing, foreign, damaged, cut := run(train, 0), run(train, 1), run(train, 2), run(train, 3),
			run(train, 4)
		f.apply(t, left(known, 7), left(damaged, 7), left(cut, 7))
		require.NoError(t, f.client.HSet(t.Context(), key(foreign), "left", 7).Err())
		require.NoError(t, f.client.SetRange(t.Context(), key(damaged), 16, "?").Err())
		whole := f.client.Get(t.Context(), key(cut)).Val()
		require.NoError(t, f.client.Set(t.Context(), key(cut), whole[:len(whole)-1], 0).Err())

		// The same number and date, but another timetable: its pairs have other numbers.
		other := run(rail.NewTrain(train.Number, "", "Europe/Berlin", train.Calls, train.Formation, train.Fares), 0)
		require.Equal(t, known.ID, other.ID)

		asks := []rail.Ask{}
		for _, r := range []*rail.Run{missing, known, foreign, damaged, cut, other, known} {
			asks = append(asks, last(r))
		}
		answers, err := f.cache.Remaining(t.Context(), asks)
		require.NoError(t, err)
		for i, answer := range answers {
			if i == 1 || i == 6 {
				require.True(t, answer.Known)
				require.EqualValues(t, 7, answer.Version)
				continue
			}
			require.Equal(t, rail.Left{}, answer)
		}
		require.NoError(t, f.client.Del(t.Context(), key(known)).Err())
		require.Equal(t, rail.Left{}, f.remaining(t, known))
	}
	require.EqualValues(t, 2*(7+1), f.cache.Stats().Asks)
	require.EqualValues(t, 2*(5+1), f.cache.Stats().Unknown)
}

func remainingBadAsk(t *testing.T, f *fixture) {
	r := run(short(), 0)
	for _, ask := range []rail.Ask{{}, {Run: r}, {Run: r, From: 2, To: 1}, {Run: r, From: -1, To: 1}, {Run: r, To: 5}} {
		_, err := f.cache.Remaining(t.Context(), []rail.Ask{last(r), ask})
		require.Error(t, err)
	}
}

// between calls do between the commands of every pipeline.
type between struct{ do func() }

func (b between) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (b between) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (b between) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for i := range cmds {
			if i > 0 {
				b.do()
			}
			if err := next(ctx, cmds[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	}
}

// An entry that changes while it is read is read again. When it changes again, it is not known. So every answer is of
// one version.
func remainingTorn(t *testing.T, f *fixture) {
	r := run(long(), 0)
	version, changes := int64(1), 0
	f.apply(t, left(r, version))
	client := f.connect(t)
	client.AddHook(between{func() {
		if changes > 0 {
			changes--
			version++
			f.apply(t, left(r, version))
		}
	}})
	reader := availability.New(client)
	ask := func(r *rail.Run) rail.Left {
		answers, err := reader.Remaining(t.Context(), []rail.Ask{last(r)})
		require.NoError(t, err)
		return answers[0]
	}

	require.Equal(t, rail.Left{Known: true, Version: 1, Status: rail.Published, Counts: []uint16{1, 1, 1}}, ask(r))
	require.Zero(t, reader.Stats().Torn)

	changes = 1 // between the first header and the counts
	require.Equal(t, rail.Left{Known: true, Version: 2, Status: rail.Published, Counts: []uint16{2, 2, 2}}, ask(r))
	require.EqualValues(t, 1, reader.Stats().Torn)

	changes = 3 // in the second reading, too
	require.Equal(t, rail.Left{}, ask(r))
	require.EqualValues(t, 2, reader.Stats().Torn)

	require.EqualValues(t, version, ask(r).Version)
	require.EqualValues(t, 2, reader.Stats().Torn)
}

func remainingRacingWriters(t *testing.T, f *fixture) {
	const newest = 400
	runs := []*rail.Run{run(short(), 0), run(long(), 0)}
	for _, r := range runs {
		f.apply(t, left(r, 0))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var writers, readers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			for version := range int64(newest) {
				for _, r := range runs {
					if err := f.cache.Apply(t.Context(), left(r, version+1)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			seen := make([]int64, len(runs))
			for ctx.Err() == nil {
				answers, err := f.cache.Remaining(t.Context(), []rail.Ask{last(runs[0]), last(runs[1])})
				if err != nil {
					t.Error(err)
					return
				}
				for i, answer := range answers {
					if !answer.Known {
						continue
					}
					for _, count := range answer.Counts {
						if int64(count) != answer.Version {
							t.Errorf("version %d with a count of version %d", answer.Version, count)
						}
					}
					if answer.Version < seen[i] {
						t.Errorf("version %d after %d", answer.Version, seen[i])
					}
					seen[i] = answer.Version
				}
			}
		})
	}
	writers.Wait()
	cancel()
	readers.Wait()
	for _, r := range runs {
		require.EqualValues(t, newest, f.remaining(t, r).Version)
	}
}
