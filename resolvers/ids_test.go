package resolvers_test

import (
	"encoding/base64"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/resolvers"
	"interlock/services/rail"
)

func TestDecodeID_KindsAreNotMistaken(t *testing.T) {
	station := resolvers.EncodeID("Station", "VNP")
	kind, name := resolvers.DecodeID(station)
	require.Equal(t, []string{"Station", "VNP"}, []string{kind, name})
	require.Empty(t, resolvers.DecodeRunID(station), "a station's id is no run's")
	require.Equal(t, rail.RunID("T12@2019-10-12"), resolvers.DecodeRunID(resolvers.EncodeID("Run", "T12@2019-10-12")))
}

func TestSplitTicket(t *testing.T) {
	_, name := resolvers.DecodeID(resolvers.TicketID("T12@2019-10-12/x", 3))
	order, n, ok := resolvers.SplitTicket(name)
	require.True(t, ok)
	require.Equal(t, "T12@2019-10-12/x", order)
	require.Equal(t, 3, n)
	for _, bad := range []string{"", "order", "order#", "order#-1", "order#03", "order#x"} {
		_, _, ok := resolvers.SplitTicket(bad)
		require.False(t, ok, bad)
	}
}

// A viewer has one id on all servers with one key, and it says nothing of the subject.
func TestViewerID(t *testing.T) {
	id := resolvers.ViewerID("key", "ann@example.com")
	require.Equal(t, id, resolvers.ViewerID("key", "ann@example.com"))
	require.NotEqual(t, id, resolvers.ViewerID("key", "bob@example.com"))
	require.NotEqual(t, id, resolvers.ViewerID("another key", "ann@example.com"), "without the key it cannot be guessed")
	kind, name := resolvers.DecodeID(id)
	require.Equal(t, "Viewer", kind)
	digest, err := base64.RawURLEncoding.DecodeString(name)
	require.NoError(t, err)
	require.Len(t, digest, 16)
	require.NotContains(t, name+string(digest), "ann")
}

func FuzzDecodeID(f *testing.F) {
	f.Add(resolvers.EncodeID("Run", "T12@2019-10-12"))
	f.Add(resolvers.TicketID("T12@2019-10-12/x", 3))
	f.Add("!!!")
	f.Fuzz(func(t *testing.T, id string) {
		kind, name := resolvers.DecodeID(id)
		// One thing has one id: what decodes at all, decodes from nothing else.
		if raw, err := base64.RawURLEncoding.Strict().DecodeString(id); err == nil && string(raw) == kind+":"+name {
			require.Equal(t, id, resolvers.EncodeID(kind, name))
		}
		if order, n, ok := resolvers.SplitTicket(name); ok {
			require.Equal(t, name, order+"#"+strconv.Itoa(n), "one ticket has one name")
		}
	})
}
