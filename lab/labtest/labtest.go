// Package labtest lends tests of the proving ground what they attack, break or measure. It ends with the test.
//
// Cluster is the real thing. Serve is the smallest whole server there is, on nothing but a folder. It shows what a load
// must see, and is never for figures: SQLite and the in-process Redis have none of a cluster's ways to be late.
package labtest

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/lab/cluster"
	"interlock/services/identity"
)

// Program builds interlock for the test, with build tags, and is its path.
func Program(t *testing.T, tags ...string) string {
	t.Helper()
	path, err := cluster.Build(t.Context(), t.TempDir(), tags...)
	require.NoError(t, err)
	return path
}

// Cluster starts a cluster with one server. The test is skipped where a program that the cluster needs is not
// installed.
func Cluster(t *testing.T, o cluster.Options) *cluster.Cluster {
	t.Helper()
	o.Servers, o.Binary = 1, Program(t)
	c, err := cluster.Start(t.Context(), o)
	serverstest.Require(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// Server is one that stands alone.
type Server struct {
	Addr   string
	Pid    int
	Tokens *identity.Development
	Log    *slog.Logger
}

// stopTimeout is more than the twelve seconds that a server gives its requests.
const stopTimeout = 15 * time.Second

// Serve starts a server that stands alone, with further arguments of `interlock serve`, and returns once it is ready.
func Serve(t *testing.T, arguments ...string) *Server {
	t.Helper()
	return ServeProgram(t, Program(t), arguments...)
}

// ServeProgram is Serve with a program that was built before.
func ServeProgram(t *testing.T, path string, arguments ...string) *Server {
	t.Helper()
	secret := strings.Repeat("a secret of a test ", 2)
	tokens, err := identity.NewDevelopment([]byte(secret))
	require.NoError(t, err)
	program, err := servers.StartProgram(t.Context(), servers.ProgramOptions{
		Path: path, Env: []string{"INTERLOCK_TOKEN_SECRET=" + secret}, Ready: cluster.Ready,
		Args: func(addr string) []string {
			// Thousands ask from one address.
			usual := append(cluster.Crowd(), "serve", "--listen", addr, "--log-level", "WARN", "--quotas", "off")
			return append(usual, arguments...)
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
