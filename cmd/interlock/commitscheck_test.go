package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger/sqlledger"
)

func TestCommitsCheck_UnreadyWhileCommitsHang(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var stats sqlledger.Stats
	check := &commitsCheck{stats: func() sqlledger.Stats { return stats }, now: func() time.Time { return now }}
	ready := func() bool {
		_, err := check.Ready(t.Context())
		return err == nil
	}
	require.True(t, ready())

	stats = sqlledger.Stats{CommitsInDoubt: 1, Probing: true}
	require.False(t, ready(), "a commit hangs, though the cluster says that all is well")
	for range 10 {
		now = now.Add(5 * time.Second)
		require.True(t, stats.Probing)
		stats.CommitsInDoubt++
		require.False(t, ready(), "and so does every probe")
	}
	stats.Probing = false
	require.True(t, ready(), "a probe was acknowledged")

	// An unready server gets no buyers, who would probe. So it must become ready again by itself.
	stats.CommitsInDoubt, stats.Probing = 20, true
	require.False(t, ready())
	now = now.Add(silence - time.Millisecond)
	require.False(t, ready())
	now = now.Add(time.Millisecond)
	require.True(t, ready())
	stats.CommitsInDoubt++
	require.False(t, ready(), "it was in vain")

	stats.Probing = false
	require.True(t, ready())
	stats.CommitsInDoubt++
	require.True(t, ready(), "one commit whose connection broke is no cluster that does not acknowledge")
}
