package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// The demo says how to pay where paying takes a page.
func TestServer_DemoTellsOfTheBank(t *testing.T) {
	var bank, sandbox bytes.Buffer
	require.NoError(t, start(t, bankSettings(t)).tellDemo(t.Context(), 1, &bank))
	require.NoError(t, start(t, embeddedSettings(t)).tellDemo(t.Context(), 1, &sandbox))
	for _, step := range []string{"payment{state redirectUrl}", "orderChanged(orderId:$o)"} {
		require.Contains(t, bank.String(), step)
		require.NotContains(t, sandbox.String(), step)
	}
}
