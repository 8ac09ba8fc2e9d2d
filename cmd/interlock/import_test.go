package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// twoFeed has two trains of one number, of which the second is left out, and a bus.
func twoFeed(t *testing.T) string {
	t.Helper()
	return smallFeed(t, map[string]string{
		"routes.txt": "route_id,route_short_name,route_type\nX,RE,2\nY,10,3\n",
		"trips.txt":  "route_id,service_id,trip_id,trip_short_name\nX,D,X1,RE 1\nX,D,X2,RE 1\nY,D,B1,\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"X1,08:00:00,08:00:00,A,1\nX1,09:00:00,09:00:00,B,2\nX2,10:00:00,10:00:00,A,1\n" +
			"X2,11:00:00,11:00:00,B,2\nB1,10:00:00,10:00:00,A,1\nB1,11:00:00,11:00:00,B,2\n",
	})
}

func TestCommands_ImportLeavesOut(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	report := filepath.Join(t.TempDir(), "report.csv")
	arguments := []string{
		"import", twoFeed(t), "--templates", templatesFile(t), "--from", day(), "--days", "1", "--report", report,
	}
	code, out, errs := command(t, folder, append(arguments, "--dry-run")...)
	require.Equal(t, exitLeftOut, code, errs)
	require.Contains(t, out, "RE    1       1")
	require.Contains(t, out, "would be on sale: 2 stations, 2 trains, 2 runs: 2 created, 0 changed, 0 unchanged\n"+
		"left out: 1\n")
	require.NoDirExists(t, folder, "a dry run writes nothing")

	code, out, errs = command(t, folder, append(arguments, "--strict")...)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, `interlock: trips.txt:3: train RE 1 (trip "X2")`)
	require.Empty(t, out)

	code, out, errs = command(t, folder, arguments...)
	require.Equal(t, exitLeftOut, code, errs)
	require.Contains(t, out, "2 runs: 2 created, 0 changed, 0 unchanged")
	require.Contains(t, out, "left out: 1\n")
	require.Contains(t, errs, "trains whose number another train has on the same date are left out: 1\n"+
		"  trips.txt:3: train RE 1")
	written, err := os.ReadFile(report)
	require.NoError(t, err)
	require.Contains(t, string(written), "left out,"+
		"trains whose number another train has on the same date are left out,trips.txt,3,")

	// What the operator leaves out is no loss.
	code, out, errs = command(t, folder, append(arguments, "--number-from", "trip-id", "--replace", "--dry-run")...)
	require.Zero(t, code, errs)
	require.Contains(t, out, "3 runs: 2 created, 0 changed, 1 unchanged, 1 withdrawn", "RE 1 has another number now")

	require.NoError(t, os.WriteFile(report, []byte("my diary"), 0o600))
	code, _, errs = command(t, folder, arguments...)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "is no report of an import")
	written, err = os.ReadFile(report)
	require.NoError(t, err)
	require.Equal(t, "my diary", string(written))
}

// Two railways number their stops from 1. The second one's stop is far from the first one's.
func TestCommands_ImportStationsOfAnotherFeed(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	use := func(feed string, more ...string) []string {
		arguments := []string{"import", feed, "--templates", templatesFile(t), "--from", day(), "--days", "1"}
		return append(arguments, more...)
	}
	code, _, errs := command(t, folder, use(smallFeed(t, nil))...)
	require.Zero(t, code, errs)
	second := smallFeed(t, map[string]string{
		"agency.txt": "agency_name,agency_url,agency_timezone\nB Railway,https://example.org,Europe/Zurich\n",
		"stops.txt":  "stop_id,stop_name,stop_lat,stop_lon\nA,Xaver,47,8\nB,Berta Hbf,51.01,8\nC,Carla,52,8\n",
		"trips.txt":  "route_id,service_id,trip_id\nX,D,Y1\nX,D,Y2\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"Y1,08:00:00,08:00:00,A,1\nY1,09:00:00,09:00:00,B,2\nY2,08:00:00,08:00:00,B,1\nY2,09:00:00,09:00:00,C,2\n",
	})
	for _, more := range [][]string{{"--dry-run"}, nil} {
		code, out, errs := command(t, folder, use(second, more...)...)
		require.Equal(t, exitLeftOut, code, errs)
		require.Contains(t, out, "1 train, 1 run: 1 created")
		require.Contains(t, errs, `stop A is Xaver here, and Anton of the feed "A Railway" is 334 km away`)
		require.Contains(t, errs, `stop B is Berta Hbf here, and Berta of the feed "A Railway" is 1.1 km away`)
	}
	code, out, errs := command(t, folder, use(second, "--station-prefix", "B-")...)
	require.Zero(t, code, errs)
	require.Contains(t, out, "2 runs: 1 created, 1 changed")
	code, out, errs = command(t, folder, use(smallFeed(t, nil))...)
	require.Zero(t, code, errs)
	require.Contains(t, out, "0 changed, 1 unchanged", "the second feed has touched nothing of the first")
	code, out, errs = command(t, folder, "verify")
	require.Zero(t, code, errs)
	require.Contains(t, out, "every promise holds")
}

func TestCommands_ImportWithoutTemplates(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	feed := filepath.Join(t.TempDir(), filepath.Base(sampleFeed))
	require.NoError(t, os.Rename(twoFeed(t), feed))
	dates := []string{"--from", day(), "--days", "1"}
	code, _, errs := command(t, folder, append([]string{"import", feed}, dates...)...)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "--write-templates", "another feed by the sample's name")
	require.NoDirExists(t, folder)

	code, out, errs := command(t, folder, append([]string{"import", sampleFeed, "--dry-run"}, dates...)...)
	require.Zero(t, code, errs)
	require.Contains(t, out, "4394 trains")
}

// From a feed to trains on sale, as a newcomer goes.
func TestCommands_ImportFromAFileToStartFrom(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	feed, file := twoFeed(t), filepath.Join(t.TempDir(), "templates.yaml")
	code, out, errs := command(t, folder, "import", feed, "--write-templates", file)
	require.Zero(t, code, errs)
	require.Contains(t, out, "has the kinds of the feed: 2.")
	written, err := os.ReadFile(file)
	require.NoError(t, err)

	code, _, errs = command(t, folder, "import", feed, "--write-templates", file)
	require.Equal(t, exitFound, code)
	require.Contains(t, errs, "is there already")
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, written, again)

	use := []string{"import", feed, "--templates", file, "--from", day(), "--days", "1"}
	code, _, errs = command(t, folder, use...)
	require.Equal(t, exitFound, code)
	for _, blank := range []string{"currency", "numbers", "class", "per_km"} {
		require.Contains(t, errs, ": "+blank+" is to be filled in")
	}
	require.NoDirExists(t, folder)

	filled := strings.NewReplacer("currency:", "currency: EUR", "numbers: #", "numbers: 1 #", "class: #",
		"class: FIRST #", "per_km:", "per_km: 0.20").Replace(string(written))
	require.NoError(t, os.WriteFile(file, []byte(filled), 0o600))
	code, out, errs = command(t, folder, use...)
	require.Equal(t, exitLeftOut, code, errs)
	require.Contains(t, out, "2 stations, 1 train, 1 run: 1 created")
	require.Contains(t, errs, `notice: kinds that the templates skip: routes.txt: kind "type:3": 1 trip`)
}

func TestCommands_ImportFlagsThatAreWrong(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	good := []string{"import", smallFeed(t, nil), "--templates", templatesFile(t)}
	dated := append(good[:4:4], "--from", day(), "--days", "1")
	for name, c := range map[string]struct {
		arguments []string
		code      int
		says      string
	}{
		"no dates":     {good, exitCouldNotSee, "--from DATE and --days N"},
		"no days":      {append(good[:4:4], "--from", day(), "--days", "401"), exitFound, "--days is 1 to 400"},
		"a route type": {append(dated, "--route-types", "rail"), exitFound, `--route-types: "rail" is not a type`},
		"a range":      {append(dated, "--route-types", "2,117-100"), exitFound, `"117-100" is not a type`},
		"an opening": {
			append(dated, "--sale-opens", "3-days-before at 25:00"), exitFound, "--sale-opens: a sale opens between",
		},
		"a prefix": {append(dated, "--station-prefix", "seventeen letters"), exitFound, "--station-prefix has 1 to 16"},
		"a field":  {append(dated, "--number-from", "block-id"), exitCouldNotSee, "--number-from must be one of"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errs := command(t, folder, c.arguments...)
			require.Equal(t, c.code, code, errs)
			require.Contains(t, errs, c.says)
			require.NoDirExists(t, folder)
		})
	}
}

// A feed of which nothing is sold makes no ledger, whatever it is refused for.
func TestCommands_ImportThatIsRefusedMakesNoFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	for says, arguments := range map[string][]string{
		"no train of the feed runs": {"--templates", templatesFile(t), "--from", "2150-01-01"},
		"is past: where the trains": {"--templates", templatesFile(t), "--from", "2020-01-01"},
		`kind "X" has no template`:  {"--templates", kindsFile(t, "ICE"), "--from", day()},
		"the templates skip every":  {"--templates", kindsFile(t, "X"), "--from", day()},
		"a feed's name has 1 to 64": {"--templates", templatesFile(t), "--from", day(), "--feed", "\u200b"},
	} {
		code, _, errs := command(t, folder, append([]string{"import", smallFeed(t, nil), "--days", "1"}, arguments...)...)
		require.Equal(t, exitFound, code, errs)
		require.Contains(t, errs, says)
		require.NoDirExists(t, folder, says)
	}
}

// kindsFile is a file of templates that skips a kind, and has no other.
func kindsFile(t *testing.T, skipped string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "kinds.yaml")
	require.NoError(t, os.WriteFile(name, []byte("currency: EUR\nkinds:\n  "+skipped+": { skip: true }\n"), 0o600))
	return name
}

// A dry run's table shows what a feed calls its kinds, on a terminal.
func TestCommands_ImportShowsKindsAsTheyCanBe(t *testing.T) {
	feed := smallFeed(t, map[string]string{
		"routes.txt": "route_id,route_short_name,route_type\nX,\x1b[2J" + strings.Repeat("x", 300) + ",2\n",
	})
	_, out, errs := command(t, filepath.Join(t.TempDir(), "data"), "import", feed, "--templates", templatesFile(t), "--from",
		day(), "--days", "1", "--dry-run")
	require.Contains(t, out, "\n\ufffd[2J"+strings.Repeat("x", 35)+"…  1       1", errs)
	require.NotContains(t, out+errs, "\x1b")
}

// TestCommands_ImportANewerFeed imports a feed, and then one without its second train.
func TestCommands_ImportANewerFeed(t *testing.T) {
	older := smallFeed(t, map[string]string{
		"trips.txt": "route_id,service_id,trip_id,trip_short_name\nX,D,X1,A 201\nX,D,X2,A 999\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"X1,08:00:00,08:00:00,A,1\nX1,09:00:00,09:00:00,B,2\nX2,10:00:00,10:00:00,A,1\nX2,11:00:00,11:00:00,B,2\n",
	})
	newer := smallFeed(t, map[string]string{
		"trips.txt": "route_id,service_id,trip_id,trip_short_name\nX,D,X1,A 201\n",
	})
	folder := filepath.Join(t.TempDir(), "interlock-data")
	for _, step := range []struct {
		feed  string
		flags []string
		code  int
		out   string
		errs  string
	}{
		{older, nil, 0, "2 runs: 2 created, 0 changed, 0 unchanged, in", ""},
		{newer, []string{"--feed", "B Railway", "--replace"}, 0, "1 run: 0 created, 0 changed, 1 unchanged, in", ""},
		{
			newer,
			[]string{"--routes", "X", "--replace", "--dry-run"},
			0, "1 unchanged\n",
			"notice: runs of the feed came with another selection of it, and stay on sale: A 999 on " + day(),
		},
		{
			newer, nil, exitLeftOut, "0 created, 0 changed, 1 unchanged, 1 no longer in the feed, in",
			"stay on sale, unless it is imported with --replace: 1\n  A 999 on " + day(),
		},
		{newer, []string{"--replace", "--dry-run"}, 0, "1 unchanged, 1 withdrawn\n", ""},
		{
			newer,
			[]string{"--replace"},
			0, "0 created, 0 changed, 1 unchanged, 1 withdrawn, in",
			"notice: runs that the feed no longer has are withdrawn: A 999 on " + day(),
		},
		{newer, []string{"--replace"}, 0, "0 created, 0 changed, 1 unchanged, in", ""},
		{older, []string{"--feed", "A Railway"}, 0, "2 runs: 0 created, 1 changed, 1 unchanged, in", ""},
		{newer, []string{"--feed", strings.Repeat("x", 65)}, exitFound, "", "a feed's name has 1 to 64 printable"},
	} {
		arguments := append([]string{
			"import", step.feed, "--templates", templatesFile(t), "--from", day(), "--days", "1",
		}, step.flags...)
		code, out, errs := command(t, folder, arguments...)
		require.Equal(t, step.code, code, "%v: %s", step.flags, errs)
		require.Contains(t, out, step.out)
		require.Contains(t, errs, step.errs)
	}
}
