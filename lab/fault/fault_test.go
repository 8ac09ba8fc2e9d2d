package fault_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/lab/fault"
)

func TestTable_IsWhole(t *testing.T) {
	names := map[string]bool{fault.Overlap: true, "all": true}
	areas := map[string]int{}
	for _, f := range fault.Table() {
		require.False(t, names[f.Name], "%s is there twice", f.Name)
		names[f.Name] = true
		areas[f.Area]++
		require.NotNil(t, f.Inject, f.Name)
		require.Positive(t, f.Lasts, f.Name)
		require.Positive(t, f.Shape.Servers, f.Name)
		found, err := fault.Find(f.Name, 1)
		require.NoError(t, err)
		require.Equal(t, f.Name, found.Name)
	}
	require.Len(t, areas, 12)
}

func TestFind_Unknown(t *testing.T) {
	_, err := fault.Find("primary_tickled", 1)
	require.ErrorIs(t, err, fault.ErrUnknown)
}

func TestFind_OverlapFollowsTheSeed(t *testing.T) {
	seen, all := map[string]bool{}, ""
	for seed := range uint64(20) {
		f, err := fault.Find(fault.Overlap, seed)
		require.NoError(t, err)
		again, err := fault.Find(fault.Overlap, seed)
		require.NoError(t, err)
		require.Equal(t, f.Area, again.Area)
		seen[f.Area] = true
	}
	require.Greater(t, len(seen), 5, "seeds choose")
	for name := range seen {
		all += name + "+"
	}
	for _, one := range []string{"lock_", "server_", "database_", "primary_", "cache_", "same_key_at_once"} {
		require.Contains(t, all, one, "of every area")
	}
}
