package identity_test

import (
	"context"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/identity"
	"interlock/services/rail"
)

type counting struct {
	identity.Verifier
	asked int
}

func (c *counting) Verify(ctx context.Context, token string) (*rail.Viewer, error) {
	c.asked++
	return c.Verifier.Verify(ctx, token)
}

func TestRemembered_NoLongerThanTheTokenLives(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := func() time.Time { return now }
	development, err := identity.NewDevelopment(make([]byte, identity.MinSecretBytes))
	require.NoError(t, err)
	development.Now = clock
	checked := &counting{Verifier: development}
	verifier, err := identity.Remember(checked, clock)
	require.NoError(t, err)
	short, err := development.Issue("alice", []rail.Role{rail.RolePassenger}, 30*time.Second)
	require.NoError(t, err)
	long, err := development.Issue("bob", []rail.Role{rail.RoleAdmin}, time.Hour)
	require.NoError(t, err)

	for range 3 {
		viewer, err := verifier.Verify(t.Context(), short)
		require.NoError(t, err)
		require.Equal(t, "alice", viewer.Subject)
		viewer, err = verifier.Verify(t.Context(), long)
		require.NoError(t, err)
		require.True(t, viewer.Is(rail.RoleAdmin))
	}
	require.Equal(t, 2, checked.asked)

	now = now.Add(30 * time.Second)
	_, err = verifier.Verify(t.Context(), short)
	require.Equal(t, rail.Unauthenticated, rail.CodeOf(err))
	_, err = verifier.Verify(t.Context(), long)
	require.NoError(t, err)
	require.Equal(t, 3, checked.asked, "an expired token is checked, a young one is not")

	now = now.Add(time.Minute)
	_, err = verifier.Verify(t.Context(), long)
	require.NoError(t, err)
	require.Equal(t, 4, checked.asked, "once a minute the signature is looked at again")

	_, err = verifier.Verify(t.Context(), long[:len(long)-2])
	require.Equal(t, rail.Unauthenticated, rail.CodeOf(err))
}

// anybody takes every token.
type anybody struct{}

func (anybody) Verify(context.Context, string) (*rail.Viewer, error) {
	return &rail.Viewer{Subject: "alice", Expires: time.Now().Add(time.Hour)}, nil
}

// Remembered tokens take little memory, however long they are: a client can get as many as it asks its issuer for.
func TestRemembered_TakesLittleMemory(t *testing.T) {
	const tokens, length = 20_000, 4 << 10 // as many as are remembered, as long as issuers make them
	verifier, err := identity.Remember(anybody{}, time.Now)
	require.NoError(t, err)
	used := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := used()
	for i := range tokens {
		_, err := verifier.Verify(t.Context(), strings.Repeat("x", length)+strconv.Itoa(i))
		require.NoError(t, err)
	}
	require.Less(t, used()-before, int64(8<<20))
	runtime.KeepAlive(verifier)
}
