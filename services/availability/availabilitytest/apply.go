package availabilitytest

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

// versions rise. Compared as text, or with a leading zero taken for octal, some look smaller than the one before.
var versions = []int64{
	0, 1, 7, 8, 9, 10, 63, 64, 69, 77, 78, 99, 100, 105, 108, 999, 1_000, 1_000_105, 1_000_108, 1 << 31, 1<<53 - 2,
	1<<53 - 1,
}

func applyNewerWins(t *testing.T, f *fixture) {
	r := run(short(), 0)
	for i, version := range versions {
		f.apply(t, left(r, version))
		require.Equal(t, left(r, version), f.stored(t, r))
		for _, older := range versions[:i] {
			f.apply(t, left(r, older))
		}
		f.apply(t, with(left(r, version), 12_345))
		require.Equal(t, left(r, version), f.stored(t, r), "neither older nor equal versions are stored")
	}
	require.EqualValues(t, len(versions), f.cache.Stats().Applied)
}

// Deliveries come late, twice and from several servers; the newest stays.
func applyAnyOrder(t *testing.T, f *fixture) {
	const newest, servers = 60, 4
	r := run(long(), 0)
	var wait sync.WaitGroup
	for range servers {
		wait.Go(func() {
			for _, version := range rand.Perm(newest + 1) {
				if err := f.cache.Apply(t.Context(), left(r, int64(version))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	require.Equal(t, left(r, newest), f.stored(t, r))
}

func applyRefuses(t *testing.T, f *fixture) {
	r := run(short(), 0)
	for name, spoil := range map[string]func(*rail.Availability){
		"a version that Lua cannot compare": func(a *rail.Availability) { a.Version = 1 << 53 },
		"a negative version":                func(a *rail.Availability) { a.Version = -1 },
		"no status":                         func(a *rail.Availability) { a.Status = "" },
		"no train":                          func(a *rail.Availability) { a.TrainID = "" },
		"no run":                            func(a *rail.Availability) { a.RunID = "T12" },
		"no counts":                         func(a *rail.Availability) { a.Counts = nil },
	} {
		t.Run(name, func(t *testing.T) {
			spoilt := left(r, 1)
			spoil(spoilt)
			require.Error(t, f.cache.Apply(t.Context(), spoilt))
			require.Error(t, f.cache.Replace(t.Context(), spoilt, 0))
			require.Error(t, f.cache.Load(t.Context(), []*rail.Availability{spoilt}))
			require.False(t, f.remaining(t, r).Known)
		})
	}
}
