package ledgertest

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func eventGroups(t *testing.T, s *suite) {
	l := s.open(t)
	ctx := t.Context()
	names, err := l.EventGroups(ctx)
	require.NoError(t, err)
	require.Empty(t, names)
	for _, name := range []string{"pay", "notify", "pay", "Pay"} {
		require.NoError(t, l.KeepEventsFor(ctx, name))
	}
	names, err = l.EventGroups(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"Pay", "notify", "pay"}, names)
	for _, had := range []bool{true, false} {
		was, err := l.ForgetEventGroup(ctx, "Pay")
		require.NoError(t, err)
		require.Equal(t, had, was)
	}
	// Every server finds a new group by itself.
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { assert.NoError(t, l.KeepEventsFor(ctx, "audit")) })
	}
	all.Wait()
	names, err = l.EventGroups(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"audit", "notify", "pay"}, names)
}
