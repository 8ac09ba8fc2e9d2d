package ticketpdf_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/ticketpdf"
)

// BenchmarkPrint prints a ticket with names in Chinese.
func BenchmarkPrint(b *testing.B) {
	p, err := ticketpdf.New("")
	require.NoError(b, err)
	one := ticketpdf.Page{Number: "4F7K2M9QX8TB", Train: "G1", From: "北京南", To: "上海虹桥", Passenger: "王秀英"}
	for b.Loop() {
		_, err := p.Print("zh", []ticketpdf.Page{one})
		require.NoError(b, err)
	}
}

// BenchmarkNew opens the usual font, as each server does at its start.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		_, err := ticketpdf.New("")
		require.NoError(b, err)
	}
}
