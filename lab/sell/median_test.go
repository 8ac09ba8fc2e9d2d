package sell

import (
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/lab/load"
)

// TestMedian: the round in the middle by one figure is not in the middle by another.
func TestMedian(t *testing.T) {
	require.Nil(t, median(nil))
	rounds := []*load.Result{
		{
			Buyers: 64, OrdersPerSecond: 900, P50Milliseconds: 3, P99Milliseconds: 80, MaxMilliseconds: 500,
			LeastShare: 0.7, Answers: map[string]int{"placed": 1},
		},
		{
			Buyers: 64, OrdersPerSecond: 1_000, P50Milliseconds: 5, P99Milliseconds: 20, MaxMilliseconds: 90,
			LeastShare: 0.5, Answers: map[string]int{"placed": 2},
		},
		{
			Buyers: 64, OrdersPerSecond: 1_100, P50Milliseconds: 4, P99Milliseconds: 60, MaxMilliseconds: 95,
			LeastShare: 0.9, Answers: map[string]int{"pending": 4},
		},
	}
	m := median(rounds)
	require.Equal(t, 64, m.Buyers)
	require.InDelta(t, 1_000, m.OrdersPerSecond, 0)
	require.InDelta(t, 4, m.P50Milliseconds, 0)
	require.InDelta(t, 60, m.P99Milliseconds, 0)
	require.InDelta(t, 500, m.MaxMilliseconds, 0)
	require.InDelta(t, 0.5, m.LeastShare, 0)
	require.Equal(t, map[string]int{"placed": 3, "pending": 4}, m.Answers)
	require.Equal(t, rounds, m.Each)
}

func TestMedianSingleBuyer(t *testing.T) {
	one := medianSingleBuyer([]SingleBuyerRound{
		{Orders: 10, Seconds: 4.5, P50Milliseconds: 3, CommitP50Milliseconds: 1, P50RatioToCommit: 3},
		{Orders: 20, Seconds: 4.5, P50Milliseconds: 5, CommitP50Milliseconds: 5, P50RatioToCommit: 1},
		{Orders: 30, Seconds: 4.5, P50Milliseconds: 6, CommitP50Milliseconds: 3, P50RatioToCommit: 2},
	})
	require.Equal(t, 60, one.Orders)
	require.InDelta(t, 13.5, one.Seconds, 1e-9)
	require.InDelta(t, 5, one.P50Milliseconds, 0)
	require.InDelta(t, 3, one.CommitP50Milliseconds, 0)
	require.InDelta(t, 2, one.P50RatioToCommit, 0)
	require.Len(t, one.Each, 3)
}
