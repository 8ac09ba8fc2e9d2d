package ticketpdf

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPrint_LeavesFontsAlone prints, and finds each font's bytes as they were: the library writes into what it is given.
func TestPrint_LeavesFontsAlone(t *testing.T) {
	p, err := New("")
	require.NoError(t, err)
	before := make([][]byte, len(p.fonts))
	for i, f := range p.fonts {
		before[i] = bytes.Clone(f.bytes)
	}
	_, err = p.Print("zh", []Page{{Passenger: "Ελένη Žižek 王秀英", Train: "G1", From: "北京南", To: "上海虹桥"}})
	require.NoError(t, err)
	for i, f := range p.fonts {
		require.True(t, bytes.Equal(before[i], f.bytes), f.family)
	}
}
