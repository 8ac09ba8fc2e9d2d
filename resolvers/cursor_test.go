package resolvers_test

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/resolvers"
	"interlock/services/rail"
)

type place struct {
	N int
	S string
}

func TestCursors_NoticeTampering(t *testing.T) {
	cursors := resolvers.Cursors{Key: []byte("key")}
	list := resolvers.ListOf("orders", "ann")
	cursor := cursors.Seal(list, place{7, "x"})
	var got place
	found, err := cursors.Open(list, &cursor, &got)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, place{7, "x"}, got)

	found, err = cursors.Open(list, nil, &got)
	require.NoError(t, err)
	require.False(t, found, "no cursor is the beginning")

	refused := func(c resolvers.Cursors, cursor string, of ...any) {
		t.Helper()
		_, err := c.Open(resolvers.ListOf("orders", of...), &cursor, &got)
		require.ErrorIs(t, err, &rail.Error{Code: rail.BadUserInput})
	}
	refused(cursors, cursor, "bob")
	refused(resolvers.Cursors{Key: []byte("another")}, cursor, "ann")
	refused(cursors, "", "ann")
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	require.NoError(t, err)
	for i := range raw {
		raw[i] ^= 1
		refused(cursors, base64.RawURLEncoding.EncodeToString(raw), "ann")
		raw[i] ^= 1
	}
}

func FuzzCursors(f *testing.F) {
	cursors := resolvers.Cursors{Key: []byte("key")}
	list := resolvers.ListOf("orders")
	f.Add(cursors.Seal(list, place{1, "a"}))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, cursor string) {
		var got place
		if found, err := cursors.Open(list, &cursor, &got); found {
			require.NoError(t, err)
			require.Equal(t, cursor, cursors.Seal(list, got), "only what was sealed here opens")
		}
	})
}
