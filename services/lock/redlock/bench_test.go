package redlock_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/lock/redlock"
)

// BenchmarkAcquire acquires, extends and releases on three nodes: what a worker pays for a batch at most.
func BenchmarkAcquire(b *testing.B) {
	var nodes []string
	for range 3 {
		nodes = append(nodes, serverstest.NewRedis(b).Addr())
	}
	l, err := redlock.New(redlock.Options{Nodes: nodes})
	require.NoError(b, err)
	defer l.Close()
	for b.Loop() {
		lease, err := l.Acquire(b.Context(), run)
		require.NoError(b, err)
		require.NoError(b, lease.Extend(b.Context()))
		lease.Release()
	}
}
