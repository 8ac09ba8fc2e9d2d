// Package embeddedtest lends a test of the proving ground the smallest whole server there is: a built `interlock serve` on
// nothing but a folder, which ends with the test.
//
// It is for what a load must see, never for figures: SQLite and the in-process Redis have none of a cluster's ways to be
// late.
package embeddedtest

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/lab/cluster"
	"interlock/services/identity"
)

// Server is a running one.
type Server struct {
	Addr   string
	Pid    int
	Tokens *identity.Development
	Log    *slog.Logger
}

// stopTimeout is more than the twelve seconds a server gives its requests.
const stopTimeout = 15 * time.Second

// Serve builds and starts a server, with further arguments of `interlock serve`, and returns once it is ready.
func Serve(t *testing.T, arguments ...string) *Server {
	t.Helper()
	path, err := cluster.Build(t.Context(), t.TempDir())
	require.NoError(t, err)
	secret := strings.Repeat("a secret of a test ", 2)
	tokens, err := identity.NewDevelopment([]byte(secret))
	require.NoError(t, err)
	program, err := servers.StartProgram(t.Context(), servers.ProgramOptions{
		Path: path, Env: []string{"INTERLOCK_TOKEN_SECRET=" + secret}, Ready: cluster.Ready,
		Args: func(addr string) []string {
			return append(append(cluster.Crowd(), "serve", "--listen", addr, "--log-level", "WARN"), arguments...)
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		require.NoError(t, program.Stop(ctx))
		require.NoError(t, program.Close())
	})
	return &Server{Addr: program.Addr(), Pid: program.Pid(), Tokens: tokens, Log: slog.New(slog.DiscardHandler)}
}
