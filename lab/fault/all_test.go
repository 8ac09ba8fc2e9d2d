package fault

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/lab/cluster"
)

// names are what plays are called, with their seeds, and how often each is there.
func names(parts []part) map[string]int {
	all := map[string]int{}
	for _, p := range parts {
		all[fmt.Sprintf("%s %d", p.fault.Name, p.seed)]++
	}
	return all
}

// TestPartsOf_AreasAreTheWhole: area by area, every play of the whole comes once.
func TestPartsOf_AreasAreTheWhole(t *testing.T) {
	require.Equal(t, []string{
		"lock", "server", "balancer", "database", "replication", "cache", "messages", "payments", "refunds", "notifications",
		"quotas", "buyers", "overlap",
	}, Areas())
	for seed := range uint64(3) {
		var together []part
		for _, area := range Areas() {
			parts := partsOf(area, seed)
			require.NotEmpty(t, parts, area)
			for _, p := range parts {
				if area != Overlap {
					require.Equal(t, area, p.fault.Area)
				}
			}
			together = append(together, parts...)
		}
		whole := names(partsOf("", seed))
		require.Equal(t, whole, names(together))
		require.Len(t, whole, len(Table())+overlapsPerSeed, "none is there twice")
	}
}

// TestAll_UnknownArea: a wrong name starts nothing, and the error lists the areas.
func TestAll_UnknownArea(t *testing.T) {
	stage := &Stage{Start: func(context.Context, Shape) (*cluster.Cluster, error) {
		require.Fail(t, "nothing is to be started")
		return nil, nil
	}}
	_, err := All(t.Context(), stage, "tracks", 1, func(*Result) error { return nil })
	require.ErrorIs(t, err, ErrUnknownArea)
	require.EqualError(t, err,
		"there is no such area: tracks; there are lock, server, balancer, database, replication, cache, messages, payments, "+
			"refunds, notifications, quotas, buyers, overlap")
	require.NoError(t, CheckArea(""))
	require.NoError(t, CheckArea(Overlap))
}
