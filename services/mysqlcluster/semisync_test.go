package mysqlcluster

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// whole is what a primary says that never answers a commit without a replica.
var whole = map[string]string{
	"enabled": "ON", "status": "ON", "wait_point": "AFTER_SYNC", "timeout": "18446744073709551615",
	"wait_no_replica":        "ON",
	"wait_for_replica_count": "1", "clients": "2", "wait_sessions": "3", "yes_tx": "4", "no_tx": "5", "no_times": "6",
	"trace_level": "32", "net_wait_time": "a word that nobody reads",
}

func said(t *testing.T, name, value string) SemiSync {
	t.Helper()
	var s SemiSync
	for n, v := range whole {
		require.NoError(t, s.set(n, v))
	}
	if name != "" {
		require.NoError(t, s.set(name, value))
	}
	return s
}

func TestSemiSync_Set(t *testing.T) {
	require.Equal(t, SemiSync{
		Enabled: true, Active: true, AfterSync: true, Timeout: 10 * minSemiSyncTimeout, WaitsAlone: true, Count: 1,
		Replicas: 2, Waiting: 3, Acknowledged: 4, Unacknowledged: 5, Offs: 6,
		read: statusRead | replicasRead | waitingRead | acknowledgedRead | unacknowledgedRead,
	}, said(t, "", ""))
	require.Equal(t, 250*time.Millisecond, func() time.Duration { s := said(t, "timeout", "250"); return s.Timeout }())
	for _, number := range []string{
		"timeout", "wait_for_replica_count", "clients", "wait_sessions", "yes_tx", "no_tx", "no_times",
	} {
		var s SemiSync
		require.ErrorContains(t, s.set(number, "many"), number)
	}
}

func TestSemiSync_Complete(t *testing.T) {
	s := said(t, "", "")
	require.NoError(t, s.Complete())
	for _, missing := range []string{"status", "clients", "wait_sessions", "yes_tx", "no_tx"} {
		var s SemiSync
		for name, value := range whole {
			if name != missing {
				require.NoError(t, s.set(name, value))
			}
		}
		require.ErrorContains(t, s.Complete(), missing)
	}
	for value, complete := range map[string]bool{"ON": true, "OFF": true, "PERHAPS": false, "": false} {
		var s SemiSync
		for name, said := range whole {
			if name == "status" {
				said = value
			}
			require.NoError(t, s.set(name, said))
		}
		require.Equal(t, complete, s.Complete() == nil, value)
	}
}

func TestSemiSync_Problem(t *testing.T) {
	for _, c := range []struct{ name, value, problem string }{
		{"", "", ""},
		{"wait_no_slave", "1", ""},
		{"timeout", "86400000", ""},
		{"clients", "0", ""}, // a question of its own
		{"enabled", "OFF", "is off"},
		{"status", "OFF", "has fallen back"},
		{"wait_point", "AFTER_COMMIT", "does not wait AFTER_SYNC"},
		{"timeout", "86399999", "would fall back"},
		{"wait_no_replica", "OFF", "would fall back"},
		{"wait_no_slave", "0", "would fall back"},
	} {
		s := said(t, c.name, c.value)
		if c.problem == "" {
			require.Empty(t, s.Problem(), c)
			continue
		}
		require.Contains(t, s.Problem(), c.problem, c)
	}
	require.Contains(t, (&SemiSync{}).Problem(), "is off", "a server that has not loaded it")
}

func TestIsOn(t *testing.T) {
	for _, on := range []string{"1", "ON", "on", "YES", "true", "2"} {
		require.True(t, IsOn(on), on)
	}
	for _, off := range []string{"", "0", "OFF", "no", strings.ToLower("FALSE")} {
		require.False(t, IsOn(off), off)
	}
}
