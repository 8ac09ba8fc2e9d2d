package sale

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What cannot be served together is served in halves, in order, until what fails is alone.
func TestBisect(t *testing.T) {
	for bad := range 8 {
		var served, alone []int
		calls := 0
		bisect([]int{0, 1, 2, 3, 4, 5, 6}, func(some []int) []int {
			calls++
			for _, n := range some {
				switch {
				case n == bad && len(some) > 1:
					return some
				case n == bad:
					alone = append(alone, n)
					return nil
				}
			}
			served = append(served, some...)
			return nil
		})
		require.IsIncreasing(t, served)
		if bad == 7 {
			require.Equal(t, 1, calls)
			require.Len(t, served, 7)
			continue
		}
		require.Equal(t, []int{bad}, alone)
		require.Len(t, served, 6)
		require.LessOrEqual(t, calls, 1+2*3)
	}
	t.Run("what is left is halved", func(t *testing.T) {
		var sizes []int
		bisect([]int{1, 2, 3, 4, 5}, func(some []int) []int {
			sizes = append(sizes, len(some))
			if len(some) == 5 {
				return some[1:] // one of them has its answer
			}
			return nil
		})
		require.Equal(t, []int{5, 2, 2}, sizes)
	})
}
