package rail_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

// The pairs of a run are numbered 0, 1, 2 … in order, without a gap or a double, up to the longest run there may be.
func TestPairIndex_CountsThePairs(t *testing.T) {
	for n := 0; n <= rail.MaxCalls; n++ {
		next := 0
		for i := range n {
			for j := i + 1; j < n; j++ {
				if got := rail.PairIndex(n, i, j); got != next {
					t.Fatalf("of %d calls the pair %d, %d is %d, not %d", n, i, j, got, next)
				}
				next++
			}
		}
		require.Equal(t, next, rail.Pairs(n))
	}
	require.Equal(t, 703, rail.Pairs(38))
}
