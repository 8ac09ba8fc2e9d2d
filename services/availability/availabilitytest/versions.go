package availabilitytest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

// Versions come in the order of the runs, whatever they are of, and -1 where there is nothing that can be read.
func versionsOfRuns(t *testing.T, f *fixture) {
	at0, at7, longest, foreign, damaged, cut := run(short(), 0), run(short(), 1), run(long(), 2), run(short(), 3),
		run(short(), 4), run(short(), 5)
	f.apply(t, left(at0, 0), left(at7, 7), left(longest, 1<<53-1), left(damaged, 7))
	require.NoError(t, f.client.HSet(t.Context(), key(foreign), "left", 7).Err())
	require.NoError(t, f.client.SetRange(t.Context(), key(damaged), 3, "?").Err())
	require.NoError(t, f.client.Set(t.Context(), key(cut), "000000000000007", 0).Err())

	versions, err := f.cache.Versions(t.Context(),
		[]rail.RunID{at7.ID, run(short(), 6).ID, longest.ID, foreign.ID, damaged.ID, cut.ID, at0.ID, at7.ID})
	require.NoError(t, err)
	require.Equal(t, []int64{7, -1, 1<<53 - 1, -1, -1, -1, 0, 7}, versions)
	none, err := f.cache.Versions(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)

	// More than go into one round trip.
	var ids []rail.RunID
	for n := range 3_000 {
		ids = append(ids, rail.RunID(fmt.Sprintf("N%d@2019-10-12", n)))
	}
	ids = append(ids, at7.ID)
	versions, err = f.cache.Versions(t.Context(), ids)
	require.NoError(t, err)
	require.Len(t, versions, len(ids))
	require.EqualValues(t, -1, versions[0])
	require.EqualValues(t, 7, versions[len(ids)-1])

	require.NoError(t, f.server.Kill())
	_, err = f.cache.Versions(t.Context(), ids)
	require.Error(t, err)
	require.NoError(t, f.server.Start(t.Context()))
	eventually(t, func() bool {
		versions, err = f.cache.Versions(t.Context(), []rail.RunID{at7.ID})
		return err == nil && versions[0] == -1
	})
}
