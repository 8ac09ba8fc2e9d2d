package sample_test

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/services/publish/gtfs"
	"interlock/services/publish/sample"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A station in the wrong place would make fares that are wrong by a thousand kilometres.
func TestFeed_HasNoFindings(t *testing.T) {
	_, err := gtfs.ReadFile(t.Context(), "china-hsr-2016.gtfs.zip", gtfs.Options{Found: func(finding gtfs.Finding) {
		t.Error(finding)
	}})
	require.NoError(t, err)
}

func TestFeed_IsTheWholeTimetable(t *testing.T) {
	feed, err := sample.Feed(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Asia/Shanghai", feed.TimeZone)
	require.Len(t, feed.Trips, 4_394)
	require.Len(t, feed.Stations, 672)

	calls, direct := 0, 0
	kinds := map[string]int{}
	trips := map[string]*gtfs.Trip{}
	for _, trip := range feed.Trips {
		calls += len(trip.Calls)
		kinds[trip.Route.ShortName]++
		require.Nil(t, trips[trip.Number], "the number %s is there twice", trip.Number)
		trips[trip.Number] = trip
		train := rail.NewTrain(trip.Number, "", feed.TimeZone, trip.Calls, rail.NewFormation(nil), &rail.Fares{})
		if len(train.CallPairs("VNP", "AOH")) > 0 {
			direct++
		}
	}
	require.Equal(t, 34_263, calls)
	require.Equal(t, 41, direct, "trains from 北京南 to 上海虹桥")
	require.Equal(t, map[string]int{"G": 1_856, "D": 1_557, "C": 981}, kinds)
	require.Contains(t, trips, "D305/D308")

	const minute = 60
	g1 := trips["G1"].Calls
	require.Equal(t, []rail.Call{
		{Station: "VNP", ArrivalSeconds: 540 * minute, DepartureSeconds: 540 * minute, Metres: 0},
		{Station: "NKH", ArrivalSeconds: 759 * minute, DepartureSeconds: 761 * minute, Metres: g1[1].Metres},
		{Station: "AOH", ArrivalSeconds: 828 * minute, DepartureSeconds: 828 * minute, Metres: g1[2].Metres},
	}, g1)
	require.EqualValues(t, 1_216_400, g1[2].Metres, "as the file says; by rail it is 1,318 km")
}

func TestFeed_StationsHaveNamesToSearchBy(t *testing.T) {
	feed, err := sample.Feed(t.Context())
	require.NoError(t, err)
	for _, station := range feed.Stations {
		if station.Code == "VNP" {
			require.Equal(t, "北京南", station.Name)
			require.Equal(t, "Beijingnan", station.NameIn("zh-Latn"))
			require.Equal(t, "bjn", station.NameIn("zh-Latn-x-initial"))
			require.Equal(t, "Asia/Shanghai", station.TimeZone)
			require.NotNil(t, station.Latitude)
			return
		}
	}
	t.Fatal("no 北京南")
}

func TestTemplates_FitEveryTrain(t *testing.T) {
	feed, err := sample.Feed(t.Context())
	require.NoError(t, err)
	templates, err := sample.Templates()
	require.NoError(t, err)
	for _, trip := range feed.Trips {
		kind, template := templates.Of(trip)
		require.Equal(t, trip.Route.ShortName, kind)
		train := rail.NewTrain(trip.Number, kind, feed.TimeZone, trip.Calls, template.Formation, template.Fares)
		require.NoError(t, train.Validate().OrNil(), trip.Number)
	}
}

func TestTemplates_RealisticSizesAndPrices(t *testing.T) {
	feed, err := sample.Feed(t.Context())
	require.NoError(t, err)
	templates, err := sample.Templates()
	require.NoError(t, err)
	for _, trip := range feed.Trips {
		if trip.Number != "G1" {
			continue
		}
		kind, template := templates.Of(trip)
		train := rail.NewTrain(trip.Number, kind, feed.TimeZone, trip.Calls, template.Formation, template.Fares)
		require.Equal(t, []rail.SeatClass{rail.Business, rail.First, rail.Second}, train.Formation.Classes)
		require.Len(t, train.Formation.Seats(rail.Business), 24)
		require.Len(t, train.Formation.Seats(rail.First), 156)
		require.Len(t, train.Formation.Seats(rail.Second), 935)
		second, ok := train.Price(rail.Second, 0, 2)
		require.True(t, ok)
		require.Equal(t, rail.Currency("CNY"), second.Currency)
		require.Equal(t, "559.50", second.Amount(), "1216.4 km × 0.46, to the next half yuan")
		business, _ := train.Price(rail.Business, 0, 2)
		require.InDelta(t, 3*second.Minor, business.Minor, 100)
		return
	}
	t.Fatal("no G1")
}

func TestIs_ByContent(t *testing.T) {
	const zipped = "china-hsr-2016.gtfs.zip"
	content, err := os.ReadFile(zipped)
	require.NoError(t, err)
	folder := t.TempDir()
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(filepath.Join(folder, "unpacked"), archive))
	write := func(name string, content []byte) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return path
	}
	is := func(path string) bool {
		same, err := sample.Is(path)
		require.NoError(t, err)
		return same
	}
	require.True(t, is(zipped))
	require.True(t, is(write("another-name.zip", content)))
	require.True(t, is(filepath.Join(folder, "unpacked")))
	changed := bytes.Clone(content)
	changed[len(changed)/2]++
	require.False(t, is(write(zipped, changed)))
	require.False(t, is(write("short.zip", content[1:])))
	require.False(t, is(t.TempDir()))
	write("unpacked/routes.txt", []byte("route_id,route_type\n"))
	require.False(t, is(filepath.Join(folder, "unpacked")))
	_, err = sample.Is(filepath.Join(folder, "nothing"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func BenchmarkFeed(b *testing.B) {
	for b.Loop() {
		if _, err := sample.Feed(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
