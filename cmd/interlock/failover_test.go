package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/lab/cluster"
	"interlock/services/failover"
)

// TestCommands_Failover does by hand what a person does with a cluster: opens it, looks at it, makes another member the
// primary, takes one out and in again.
func TestCommands_Failover(t *testing.T) {
	members, err := cluster.StartMembers(t.Context(), servers.MySQL, 3)
	serverstest.Require(t, err)
	t.Cleanup(func() { require.NoError(t, members.Close()) })
	for _, variable := range members.SupervisorEnv() {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	folder, first, second := t.TempDir(), members.Servers[0].Addr(), members.Servers[1].Addr()
	does := func(says string, arguments ...string) {
		t.Helper()
		code, out, errs := command(t, folder, append([]string{"failover"}, arguments...)...)
		require.Zero(t, code, errs)
		require.Contains(t, out, says)
	}
	status := func() (code int, s failover.Status) {
		t.Helper()
		code, out, errs := command(t, folder, "failover", "status", "--json")
		require.NoError(t, json.Unmarshal([]byte(out), &s), errs)
		return code, s
	}
	well := func() {
		t.Helper()
		require.Eventually(t, func() bool { code, s := status(); return code == 0 && s.OK }, time.Minute,
			50*time.Millisecond)
	}

	code, s := status()
	require.Equal(t, exitFound, code)
	require.False(t, s.OK)
	require.Contains(t, s.Reason, "no member of the cluster is writable")
	require.Len(t, s.Members, 3)

	does(first+" is the primary, epoch 1", "open", first)
	well()
	_, s = status()
	require.Equal(t, first, s.Primary)
	require.EqualValues(t, 1, s.Epoch)
	require.LessOrEqual(t, s.Members[1].Receiver.SilentSeconds, 2*s.Members[1].Receiver.HeartbeatSeconds)
	does("the cluster is well", "status")

	does(second+" is the primary, epoch 2", "promote", second)
	well()
	does("", "exclude", first, "--reason", "a new disk")
	does(first+" does not count since", "status")
	code, _, errs := command(t, folder, "failover", "promote", first)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "does not follow the primary")
	does("", "include", first)
	well()

	for _, m := range members.Servers {
		require.NoError(t, m.Kill())
	}
	code, s = status()
	require.Equal(t, exitCouldNotSee, code)
	require.NotEmpty(t, s.Members[2].Problem)
}
