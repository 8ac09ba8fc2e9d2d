package partnerhook

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPayload(t *testing.T) {
	at := time.Date(2022, 11, 3, 21, 26, 10, 344522000, time.FixedZone("", 3600))
	body, err := Payload("example.event", at, map[string]any{"foo": "bär & <b>", "fizzbuzz": 2})
	require.NoError(t, err)
	require.Equal(t,
		`{"type":"example.event","timestamp":"2022-11-03T20:26:10.344522Z","data":{"fizzbuzz":2,"foo":"bär & <b>"}}`,
		string(body))
}

func TestPayload_Refused(t *testing.T) {
	now := time.Now()
	for _, kind := range []string{
		"", ".", "order.", ".paid", "order..paid", "order paid", "order-paid", "order.paid\n", "zug.fährt",
		strings.Repeat("a", maxType+1),
	} {
		_, err := Payload(kind, now, nil)
		require.ErrorIs(t, err, ErrMessage, kind)
	}
	_, err := Payload("a", now, func() {})
	require.ErrorIs(t, err, ErrMessage)
	_, err = Payload("a", time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC), nil)
	require.ErrorIs(t, err, ErrMessage)

	empty, err := Payload("a", now, "")
	require.NoError(t, err)
	longest, err := Payload("a", now, strings.Repeat("a", MaxBody-len(empty)))
	require.NoError(t, err)
	require.Len(t, longest, MaxBody)
	_, err = Payload("a", now, strings.Repeat("a", MaxBody-len(empty)+1))
	require.ErrorIs(t, err, ErrMessage)
}
