package availabilitytest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

// many is more runs than go into one pipeline.
const many = 1_234

func loadEmpty(t *testing.T, f *fixture) {
	train := short()
	lefts := make([]*rail.Availability, many)
	for i := range lefts {
		lefts[i] = left(run(train, i), int64(i))
	}
	require.NoError(t, f.cache.Load(t.Context(), lefts))
	stored, err := f.cache.Stored(t.Context(), lefts)
	require.NoError(t, err)
	require.Equal(t, lefts, stored)
	require.NoError(t, f.cache.Load(t.Context(), nil))

	require.NoError(t, f.cache.Load(t.Context(), lefts))
	require.EqualValues(t, many, f.cache.Stats().Applied)
	require.EqualValues(t, many, f.cache.Stats().Outdated)
}

func loadOverOthers(t *testing.T, f *fixture) {
	for _, train := range []*rail.Train{short(), long()} {
		var loaded, want []*rail.Availability
		add := func(load, expect *rail.Availability) { loaded, want = append(loaded, load), append(want, expect) }

		older, same, newer, foreign, damaged := run(train, 0), run(train, 1), run(train, 2), run(train, 3),
			run(train, 4)
		f.apply(t, left(older, 99), left(same, 105), left(newer, 108), left(damaged, 200))
		require.NoError(t, f.client.HSet(t.Context(), key(foreign), "left", 7).Err())
		require.NoError(t, f.client.Append(t.Context(), key(damaged), "more").Err())
		add(left(older, 105), left(older, 105))
		add(with(left(same, 105), 3), left(same, 105))
		add(left(newer, 105), left(newer, 108))
		add(left(foreign, 105), left(foreign, 105))
		add(left(damaged, 105), left(damaged, 105))
		add(left(run(train, 5), 105), left(run(train, 5), 105))

		require.NoError(t, f.cache.Load(t.Context(), loaded))
		stored, err := f.cache.Stored(t.Context(), loaded)
		require.NoError(t, err)
		require.Equal(t, want, stored)
	}
}

func loadRefuses(t *testing.T, f *fixture) {
	spoilt := left(run(short(), 1), 1)
	spoilt.Status = ""
	require.Error(t, f.cache.Load(t.Context(), []*rail.Availability{left(run(short(), 0), 1), spoilt}))
}

// A Redis that was restarted or promoted has forgotten the scripts. A call does not notice, in a pipeline too.
func scriptsForgotten(t *testing.T, f *fixture) {
	train := short()
	var older, newer []*rail.Availability
	for i := range 345 { // more than one call of a script
		older, newer = append(older, left(run(train, i), 1)), append(newer, left(run(train, i), 2))
	}
	require.NoError(t, f.cache.Load(t.Context(), older))
	forget := func() { require.NoError(t, f.client.ScriptFlush(t.Context()).Err()) }

	forget()
	require.NoError(t, f.cache.Load(t.Context(), newer))
	stored, err := f.cache.Stored(t.Context(), newer)
	require.NoError(t, err)
	require.Equal(t, newer, stored)

	forget()
	r := run(train, 0)
	f.apply(t, left(r, 3))
	require.EqualValues(t, 3, f.remaining(t, r).Version)

	forget()
	require.NoError(t, f.cache.Replace(t.Context(), left(r, 4), 3))
	require.EqualValues(t, 4, f.remaining(t, r).Version)
}

func replaceComparesVersions(t *testing.T, f *fixture) {
	r := run(short(), 0)
	replace := func(version, seen int64, count uint16) {
		t.Helper()
		require.NoError(t, f.cache.Replace(t.Context(), with(left(r, version), count), seen))
	}
	replace(5, 4, 1)
	require.Nil(t, f.stored(t, r), "another version was seen than none")
	replace(105, 0, 1)
	require.Equal(t, with(left(r, 105), 1), f.stored(t, r), "none was seen, and there was none")
	replace(106, 0, 2)
	replace(106, 104, 2)
	replace(106, 69, 2) // 105 in octal
	require.Equal(t, with(left(r, 105), 1), f.stored(t, r), "it has moved on since it was seen")
	replace(105, 105, 3)
	require.Equal(t, with(left(r, 105), 3), f.stored(t, r), "the same version may be mended")
	replace(99, 105, 4)
	require.Equal(t, with(left(r, 99), 4), f.stored(t, r), "what is not in the ledger must go, also if it is newer")
	require.EqualValues(t, 3, f.cache.Stats().Replaced)
}

func replaceHealsDamage(t *testing.T, f *fixture) {
	r := run(short(), 0)
	f.apply(t, left(r, 7))
	entry := f.client.Get(t.Context(), key(r)).Val()
	for name, damage := range map[string]string{
		"empty":               "",
		"cut in the header":   entry[:54],
		"cut after it":        entry[:55],
		"cut":                 entry[:len(entry)-1],
		"longer":              entry + "x",
		"no version":          " " + entry[1:],
		"a signed version":    "-" + entry[1:],
		"no status":           entry[:16] + "X" + entry[17:],
		"no train":            entry[:17] + "!" + entry[18:],
		"no number of counts": entry[:54] + "e" + entry[55:],
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, f.client.Set(t.Context(), key(r), damage, 0).Err())
			require.Nil(t, f.stored(t, r))
			require.NoError(t, f.cache.Replace(t.Context(), left(r, 3), 0))
			require.Equal(t, left(r, 3), f.stored(t, r), "what cannot be read counts as nothing")

			require.NoError(t, f.client.Set(t.Context(), key(r), damage, 0).Err())
			f.apply(t, left(r, 2))
			require.Equal(t, left(r, 2), f.stored(t, r))
		})
	}
	require.NoError(t, f.client.Del(t.Context(), key(r)).Err())
	require.NoError(t, f.client.HSet(t.Context(), key(r), "left", 7).Err())
	require.NoError(t, f.cache.Replace(t.Context(), left(r, 3), 0))
	require.Equal(t, left(r, 3), f.stored(t, r))
}

func storedWholeEntries(t *testing.T, f *fixture) {
	a, b, c := run(short(), 0), run(long(), 1), run(short(), 2)
	f.apply(t, left(a, 1), left(b, 1<<40))
	require.NoError(t, f.client.HSet(t.Context(), key(c), "left", 7).Err())
	missing := run(long(), 3)
	asked := []*rail.Availability{left(missing, 0), left(b, 0), left(c, 0), left(a, 0)}
	stored, err := f.cache.Stored(t.Context(), asked)
	require.NoError(t, err)
	require.Equal(t, []*rail.Availability{nil, left(b, 1<<40), nil, left(a, 1)}, stored)
}

func markerLostWithTheData(t *testing.T, f *fixture) {
	loaded := func() bool {
		loaded, err := f.cache.Loaded(t.Context())
		require.NoError(t, err)
		return loaded
	}
	require.False(t, loaded())
	f.markLoaded(t)
	require.True(t, loaded())
	f.markLoaded(t)
	require.True(t, loaded(), "a load of what is loaded changes nothing")
	require.NoError(t, f.server.FlushAll(t.Context()))
	require.False(t, loaded())

	// A load that began before the data was lost has lost some of what it had loaded.
	before, err := f.cache.BeginLoad(t.Context())
	require.NoError(t, err)
	require.NoError(t, f.server.FlushAll(t.Context()))
	require.Error(t, f.cache.MarkLoaded(t.Context(), before))
	require.False(t, loaded())
	after, err := f.cache.BeginLoad(t.Context())
	require.NoError(t, err)
	require.Error(t, f.cache.MarkLoaded(t.Context(), before))
	require.False(t, loaded())

	// Two that load at the same time do not keep each other from coming to an end.
	other, err := f.cache.BeginLoad(t.Context())
	require.NoError(t, err)
	require.NoError(t, f.cache.MarkLoaded(t.Context(), after))
	require.NoError(t, f.cache.MarkLoaded(t.Context(), other))
	require.True(t, loaded())
}

// markLoaded sets the marker as a load of nothing does.
func (f *fixture) markLoaded(t *testing.T) {
	t.Helper()
	data, err := f.cache.BeginLoad(t.Context())
	require.NoError(t, err)
	require.NoError(t, f.cache.MarkLoaded(t.Context(), data))
}
