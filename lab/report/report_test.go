package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/lab/report"
	"interlock/lab/sell"
)

// updateVariable makes the golden page what it is now. Look at the difference first.
const updateVariable = "INTERLOCK_UPDATE_GOLDEN"

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return b
}

func input(t *testing.T, names ...string) report.Input {
	t.Helper()
	var in report.Input
	for _, name := range names {
		require.NoError(t, in.Add(read(t, name)), name)
	}
	return in
}

func files(t *testing.T, in report.Input) map[string]string {
	t.Helper()
	all, err := report.Files(in)
	require.NoError(t, err)
	found := map[string]string{}
	for _, f := range all {
		found[f.Path] = string(f.Content)
	}
	return found
}

// everything is a page with all its parts, the documents in no order.
func everything(t *testing.T) report.Input {
	in := input(t, "watch.json", "seats.json", "sell.json", "search.json")
	in.Notes = string(read(t, "notes.md"))
	return in
}

func TestFiles_GoldenPage(t *testing.T) {
	page := files(t, everything(t))["benchmarks.md"]
	golden := filepath.Join("testdata", "benchmarks.md")
	if os.Getenv(updateVariable) != "" {
		require.NoError(t, os.WriteFile(golden, []byte(page), 0o644))
	}
	require.Equal(t, string(read(t, "benchmarks.md")), page, "%s=1 takes it over", updateVariable)
}

func TestFiles_SameBytesEachTime(t *testing.T) {
	first := files(t, everything(t))
	for range 5 {
		require.Equal(t, first, files(t, everything(t)))
	}
}

func TestFiles_PicturesAreDrawn(t *testing.T) {
	all := files(t, everything(t))
	for path, words := range map[string][]string{
		"benchmarks/throughput.svg": {
			"orders a second", "buyers, each asking again at once", "ceiling", "baseline",
			"2,048",
		},
		"benchmarks/latency.svg":    {"ms (logarithmic)", "p50", "p99", "p99.9", "orders asked for a second"},
		"benchmarks/comparison.svg": {"baseline", "1,024 buyers", "ceiling", "2,832", "94"},
		"benchmarks/seats.svg":      {"best-fit", "random-fit"},
	} {
		require.Contains(t, all, path)
		require.Contains(t, all["benchmarks.md"], "]("+path+")")
		decoder := xml.NewDecoder(strings.NewReader(all[path]))
		for {
			_, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, path)
		}
		for _, word := range words {
			require.Contains(t, all[path], word, path)
		}
		require.Contains(t, all[path], "fill:#FFFFFF", "%s has a background of its own: a page may be dark", path)
		require.Contains(t, all[path], "sans-serif", "%s can be shown where its font is missing", path)
	}
	require.Len(t, all, 5)
}

// TestFiles_EveryCell: no cell of a sweep may be left out, and no round.
func TestFiles_EveryCell(t *testing.T) {
	in := input(t, "sell.json")
	in.Sell.Baseline.Cells = []sell.BaselineCell{
		{Way: "redlock", RetryMilliseconds: "2", Buyers: 4, OrdersPerSecond: 11.1},
		{
			Way: "redlock", RetryMilliseconds: "2", LocalMutex: true, Buyers: 4, OrdersPerSecond: 22.2, Failed: 3,
			Problem: "no quorum",
		},
		{Way: "redlock", RetryMilliseconds: "2", Buyers: 64, OrdersPerSecond: 33.3},
		{Way: "for_update", Buyers: 64, OrdersPerSecond: 44.4},
	}
	in.Sell.Baseline.Best = in.Sell.Baseline.Cells[3]
	in.Sell.Ceiling.Cells = []sell.CeilingCell{
		{OrdersPerTransaction: 64, Connections: 1, OrdersPerSecond: 55.5},
		{OrdersPerTransaction: 4_096, Connections: 8, OrdersPerSecond: 66.6},
	}
	in.Sell.Ceiling.Best = in.Sell.Ceiling.Cells[1]
	page := files(t, in)["benchmarks.md"]
	for _, cell := range []string{"11.1", "22.2 (3 failed)", "33.3", "**44.4**", "55.5", "**66.6**", "no quorum"} {
		require.Contains(t, page, cell)
	}
	_, rounds, found := strings.Cut(page, "\n## Rounds\n")
	require.True(t, found)
	rounds, _, found = strings.Cut(rounds, "\nWhat buyers were answered")
	require.True(t, found)
	require.Equal(t, 5*(3+1), strings.Count(rounds, "\n| `"), "five scenarios of three rounds and their median")
	require.Equal(t, 5, strings.Count(rounds, " **median**"), "one median of each")
}

func TestFiles_GoalsAreHeldAgainstFigures(t *testing.T) {
	in := input(t, "sell.json")
	row := func(path string) string {
		for line := range strings.Lines(files(t, in)["benchmarks.md"]) {
			if strings.Contains(line, "`"+path+"`") && strings.Contains(line, "|") {
				return line
			}
		}
		t.Fatalf("no goal %s", path)
		return ""
	}
	in.Sell.Hot64.P99Milliseconds = 60
	require.Contains(t, row("hot_64.p99_ms"), "yes")
	in.Sell.Hot64.P99Milliseconds = 60.01
	require.Contains(t, row("hot_64.p99_ms"), "**no**", "what is rounded to the goal is not the goal")
	in.Sell.Hot1024.OrdersPerSecond = 6_000
	require.Contains(t, row("hot_1024.orders_per_second"), "yes")
	in.Sell.Hot1024.OrdersPerSecond = 5_999.9
	require.Contains(t, row("hot_1024.orders_per_second"), "**no**")
	in.Sell.Lost = 1
	require.Contains(t, row("lost"), "**no**")
	require.Contains(t, row("seats.min_ratio_to_reseating"), "not measured")
	in.Sell.Baseline = nil
	require.Contains(t, row("hot_64.ratio_to_baseline"), "not measured")
}

// TestFiles_PartsLeftOut: what was not measured is not on the page, and nothing stands in for it.
func TestFiles_PartsLeftOut(t *testing.T) {
	in := input(t, "sell.json")
	in.Sell = &sell.Report{StartedAt: in.Sell.StartedAt, Command: "lab sell --only hot_64 --json", Hot64: in.Sell.Hot64}
	all := files(t, in)
	require.Len(t, all, 1, "there is nothing to draw")
	page := all["benchmarks.md"]
	for _, missing := range []string{
		"## The baseline", "## The ceiling", "## Best-fit", "## Search", "## Watch", "## A single buyer",
		".svg", "<nil>", "%!", "<no value>",
	} {
		require.NotContains(t, page, missing)
	}
	require.Contains(t, page, "hot_64")
	require.Contains(t, page, "\n## What stands in the way\n\nNobody")
	require.NotContains(t, page, "\n\n\n")
}

func TestFiles_LinesAreShort(t *testing.T) {
	in := everything(t)
	in.Notes = ""
	for line := range strings.Lines(files(t, in)["benchmarks.md"]) {
		if !strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "- ") {
			require.LessOrEqual(t, len([]rune(line)), 121, line)
		}
	}
}

func TestFiles_NotesAsTheyAre(t *testing.T) {
	page := files(t, everything(t))["benchmarks.md"]
	require.Contains(t, page, "\n## What stands in the way\n\n"+string(read(t, "notes.md"))+"\n## ")
}

func TestFiles_WithoutASale(t *testing.T) {
	_, err := report.Files(input(t, "search.json"))
	require.ErrorIs(t, err, report.ErrNoSale)
}

func TestAdd_SeatsWithinASale(t *testing.T) {
	whole := append(bytes.TrimSuffix(bytes.TrimSpace(read(t, "sell.json")), []byte("}")), `,"seats":`...)
	whole = append(append(whole, read(t, "seats.json")...), '}')
	var in report.Input
	require.NoError(t, in.Add(whole))
	require.NotNil(t, in.Sell)
	require.InDelta(t, input(t, "seats.json").Seats.MinRatioToReseating, in.Seats.MinRatioToReseating, 0)
}

func TestAdd_Refuses(t *testing.T) {
	in := input(t, "sell.json")
	require.ErrorIs(t, in.Add(read(t, "sell.json")), report.ErrTwice)
	require.ErrorIs(t, in.Add([]byte(`{"ok":true}`)), report.ErrUnknown)
	require.ErrorIs(t, in.Add([]byte(`not json`)), report.ErrUnknown)
}
