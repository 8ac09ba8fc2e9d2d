//go:build lab

// A cluster takes a minute or two to prove itself on two busy cores, so these tests are run by hand:
// go test -tags lab ./cmd/lab/...

package fault_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/cmd/lab/cluster"
	"interlock/cmd/lab/fault"
	"interlock/cmd/lab/servers/serverstest"
)

// newStage lends clusters of a program that is built for the test.
func newStage(t *testing.T) *fault.Stage {
	t.Helper()
	path, err := cluster.Build(t.Context(), t.TempDir())
	require.NoError(t, err)
	stage := &fault.Stage{
		Log: slog.New(slog.DiscardHandler),
		Start: func(ctx context.Context, s fault.Shape) (*cluster.Cluster, error) {
			var args []string
			if s.Unprotected {
				args = []string{"--durability", "local"}
			}
			c, err := cluster.Start(ctx, cluster.Options{
				Servers: s.Servers, ServerArgs: args, LockNodes: s.LockNodes, LocksApart: s.LocksApart, Guards: s.Guards, Linked: s.Linked,
				Hold: s.Hold, Binary: path,
			})
			serverstest.Require(t, err)
			return c, err
		},
	}
	t.Cleanup(func() { require.NoError(t, stage.Close()) })
	return stage
}

// TestPlay plays a few faults that differ the most: a lock that is none, a server that dies, and no replica.
func TestPlay(t *testing.T) {
	stage := newStage(t)
	for _, name := range []string{"lock_says_yes", "server_killed", "all_replicas_stopped"} {
		f, err := fault.Find(name, 1)
		require.NoError(t, err)
		line := stage.Play(t.Context(), f, 1)
		require.True(t, line.OK, line.Text())
		require.Positive(t, line.Acknowledged)
	}
}

// TestTellUnprotected tells the story without protection: A's order is lost, B has A's seat, and the checks see both.
func TestTellUnprotected(t *testing.T) {
	stage := newStage(t)
	var said []string
	line, err := fault.TellUnprotected(t.Context(), stage, func(s string) { said = append(said, s) })
	require.NoError(t, err)
	require.True(t, line.OK, said)
	require.Len(t, said, 6)
}
