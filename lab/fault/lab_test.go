//go:build lab

// A cluster takes a minute or two to prove itself on two busy cores. `make test` runs TestShort alone, `make test-all`
// all. By hand: go test -tags lab ./lab/...

package fault_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/lab/cluster"
	"interlock/lab/fault"
	"interlock/lab/labtest"
)

// newStage lends clusters of a program that is built for the test.
func newStage(t *testing.T) *fault.Stage {
	t.Helper()
	for _, find := range []func() (servers.Binary, error){servers.FindMySQL, servers.FindRedis} {
		_, err := find()
		serverstest.Require(t, err)
	}
	path := labtest.Program(t, cluster.FaultTag)
	stage := &fault.Stage{
		Log: slog.New(slog.DiscardHandler),
		Start: func(ctx context.Context, s fault.Shape) (*cluster.Cluster, error) {
			o := s.Options()
			o.Binary = path
			return cluster.Start(ctx, o)
		},
	}
	t.Cleanup(func() { require.NoError(t, stage.Close()) })
	return stage
}

// TestShort plays those that stand for all. Each is told, also where one has failed.
func TestShort(t *testing.T) {
	stage := newStage(t)
	for _, f := range fault.Short() {
		t.Run(f.Name, func(t *testing.T) {
			result := stage.Play(t.Context(), f, 1)
			t.Log(result.Text())
			require.True(t, result.OK, result.Text())
		})
	}
}

// TestPlay plays a few faults that differ the most: a lock that is none, a server that dies, and no replica.
func TestPlay(t *testing.T) {
	stage := newStage(t)
	for _, name := range []string{"lock_says_yes", "server_killed", "all_replicas_stopped"} {
		f, err := fault.Find(name, 1)
		require.NoError(t, err)
		result := stage.Play(t.Context(), f, 1)
		require.True(t, result.OK, result.Text())
		require.Positive(t, result.Acknowledged)
	}
}

// TestPlay_AnyVersion takes the version check away from servers whose locks say yes to all: seats are sold twice, and
// the checks see it. The same with the check is lock_says_yes, which passes.
func TestPlay_AnyVersion(t *testing.T) {
	f, err := fault.Find("lock_says_yes", 1)
	require.NoError(t, err)
	f.Shape.AnyVersion = true
	result := newStage(t).Play(t.Context(), f, 1)
	t.Log(result.Text())
	require.False(t, result.OK)
	require.Empty(t, result.Problem)
	require.Zero(t, result.Injected.Facts["compare_and_sets_lost"], "nobody is refused")
	caught := map[string]bool{}
	for _, c := range result.Checks {
		caught[c.Name] = !c.OK
	}
	require.True(t, caught["C1"], "two live tickets have one seat on one leg")
	require.True(t, caught["C5"], "no order of sales explains that")
}

// TestDemo plays the demo. Without protection a seat is sold twice and an order is lost, and the checks see both. With
// protection neither happens.
func TestDemo(t *testing.T) {
	stage := newStage(t)
	for name, tell := range map[string]func(context.Context, *fault.Stage, fault.Say) (*fault.Result, error){
		"Unprotected": fault.DemoUnprotected, "Protected": fault.DemoProtected,
	} {
		t.Run(name, func(t *testing.T) {
			result, err := tell(t.Context(), stage, func(format string, args ...any) { t.Logf(format, args...) })
			require.NoError(t, err)
			require.True(t, result.OK, result.Text())
		})
	}
}
