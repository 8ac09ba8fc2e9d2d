package gtfs_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

func TestRead_TooManyColumns(t *testing.T) {
	for _, n := range []int{257, 120_000} {
		var header strings.Builder
		header.WriteString("stop_id,stop_name")
		for i := range n - 2 {
			fmt.Fprintf(&header, ",c%d", i)
		}
		require.Equal(t, fmt.Sprintf("stops.txt:1: the header has %d columns, more than 256", n),
			refusal(t, map[string]string{"stops.txt": header.String() + "\n"}))
	}
	wide := "stop_id,stop_code,stop_name,stop_lat,stop_lon" + strings.Repeat(",", 251) + "\n"
	for _, stop := range []string{"a,AA,Alpha,50,10", "b,BB,Beta,51,10", "c,CC,Gamma,52,10"} {
		wide += stop + strings.Repeat(",", 251) + "\n"
	}
	require.Equal(t, read(t, nil).Stations, read(t, map[string]string{"stops.txt": wide}).Stations)
}

func TestRead_TooManyRows(t *testing.T) {
	_, err := gtfs.ReadRows(t.Context(), fsOf(small()), 2)
	require.Equal(t, "stops.txt:4: the file has more than 2 rows", said(t, err))
	_, err = gtfs.ReadRows(t.Context(), fsOf(small()), 3)
	require.NoError(t, err)
}

func TestRead_AFieldTooLong(t *testing.T) {
	text := "stop_id,stop_name,stop_desc\na," + strings.Repeat("x", 16<<10+1) + ",\nb,Beta,\nc,Gamma," +
		strings.Repeat("x", 16<<10+1) + "\n"
	_, found := readFound(t, map[string]string{"stops.txt": text}, gtfs.Options{})
	require.Equal(t, []string{
		`stops.txt:2: trip "t1" (stop_times.txt:2) calls at stop "a": the field "stop_name" is longer than 16384 bytes`,
	}, found, "a field that is not read may have any length")
}

// A finding quotes what is wrong, but not all of it.
func TestRead_AMessageIsShort(t *testing.T) {
	long := strings.Repeat("京", 5_000)
	for file, text := range map[string]string{
		"trips.txt":      "route_id,service_id,trip_id\nr,s," + long + "\nx,s,t2\n",
		"stop_times.txt": "trip_id,stop_id,stop_sequence\nt1," + long + ",1\n",
		"stops.txt":      "stop_id,stop_name,parent_station\na,Alpha," + long + "\n",
		"calendar.txt": "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n" +
			"s,1,1,1,1,1,0," + long + ",20260101,20261231\n",
	} {
		_, found := readFound(t, map[string]string{file: text}, gtfs.Options{})
		require.NotEmpty(t, found, file)
		for _, each := range found {
			require.Less(t, len(each), 600, file)
		}
	}
}

func TestRead_TooManyLanguages(t *testing.T) {
	text := "table_name,field_name,language,translation,record_id,field_value\n"
	for i := range rail.MaxStationNames {
		text += fmt.Sprintf("stops,stop_name,x-%d,Alpha,,Alpha\n", i)
	}
	require.Len(t, read(t, map[string]string{"translations.txt": text}).Stations[0].Names, rail.MaxStationNames)
	feed, found := readFound(t, map[string]string{
		"translations.txt": text + "stops,stop_name,en,Alpha,,Alpha\nstops,stop_name,x-0,Again,,Alpha\n",
	}, gtfs.Options{})
	require.Equal(t, []string{"translations.txt:66: a stop has names in more than 64 languages"}, found)
	require.Len(t, feed.Stations[0].Names, rail.MaxStationNames)
	require.Equal(t, "Again", feed.Stations[0].Names["x-0"])
}

func TestRead_NoticesAreFew(t *testing.T) {
	files := small()
	for i := range 500 {
		files[fmt.Sprintf("fare_%d.txt", i)] = "x\n"
	}
	_, found := readFound(t, files, gtfs.Options{})
	require.Len(t, found, 20)
}

// Each station has for its code what the one before is called by: they fall back one after the other. If each looked at
// all others again, this would take minutes.
func TestRead_CodesThatFallBackInAChain(t *testing.T) {
	var stops strings.Builder
	stops.WriteString("stop_id,stop_code,stop_name\na,AA,Alpha\nb,BB,Beta\nc,CC,Gamma\ns0,X,Zero\ns1,X,One\n")
	const n = 30_000
	for i := 2; i < n; i++ {
		fmt.Fprintf(&stops, "s%d,s%d,Name\n", i, i-1)
	}
	feed := read(t, map[string]string{
		"stops.txt": stops.String(),
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,08:00:00,08:00:00,a,1\nt1,,,s0,2\nt1,,,s1,3\nt1,10:00:00,10:00:00,s29999,4\n",
	})
	var codes []rail.StationCode
	for _, station := range feed.Stations {
		codes = append(codes, station.Code)
	}
	require.Equal(t, []rail.StationCode{"AA", "s0", "s1", "s29999"}, codes)
}

// All stations have one code, for ids that are one but for their kinds of spaces. If each looked at all others again,
// this would take minutes.
func TestRead_ManyIDsThatAreOne(t *testing.T) {
	spaces := []string{" ", "\u00a0", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u3000"}
	var stops strings.Builder
	stops.WriteString("stop_id,stop_name\na,Alpha\nb,Beta\n")
	for i := range 100_000 {
		id := "s"
		for range 5 {
			id, i = id+spaces[i%10]+"s", i/10
		}
		stops.WriteString(id + ",Name\n")
	}
	feed := read(t, map[string]string{
		"stops.txt": stops.String(),
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,08:00:00,08:00:00,a,1\nt1,,,s s s s s s,2\nt1,10:00:00,10:00:00,s\u3000s\u3000s\u3000s\u3000s\u3000s,4\n",
	})
	require.EqualValues(t, "s s s s s s", feed.Stations[1].Code)
	require.Regexp(t, "^s s s s s s~[0-9a-f]{16}$", feed.Stations[2].Code)
}

func TestRead_TwoIDsThatAreOne(t *testing.T) {
	feed := read(t, map[string]string{
		"stops.txt": "stop_id,stop_name\na,Alpha\nb,Beta\nZürich,Gamma\nZu\u0308rich,Delta\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,08:00:00,08:00:00,Zürich,1\nt1,10:00:00,10:00:00,Zu\u0308rich,3\n",
	})
	require.EqualValues(t, "Zürich", feed.Stations[0].Code)
	require.Regexp(t, "^Zürich~[0-9a-f]{16}$", feed.Stations[1].Code)
}

// A pipe or a device in a folder would be read for ever.
func TestReadFile_ADeviceIsNoFile(t *testing.T) {
	folder := t.TempDir()
	for name, text := range small() {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	require.NoError(t, os.Remove(filepath.Join(folder, "stop_times.txt")))
	require.NoError(t, os.Symlink("/dev/zero", filepath.Join(folder, "stop_times.txt")))
	_, err := gtfs.ReadFile(t.Context(), folder, gtfs.Options{})
	require.Equal(t, "the feed lacks stop_times.txt", said(t, err))
}

func TestReadZip_LongAndDeepNames(t *testing.T) {
	for _, name := range []string{
		strings.Repeat("x", 256), strings.Repeat("d/", 9) + "x",
		strings.Repeat("d/", 32_000) + "x",
	} {
		files := small()
		files[name] = ""
		_, err := readZip(t, zipped(t, files))
		message := said(t, err)
		require.Contains(t, message, "is longer than 255 bytes or deeper than 8 folders")
		require.Less(t, len(message), 600)
	}
}

// An archive that is mostly a list of files is not even listed.
func TestReadZip_AnEndlessListOfFiles(t *testing.T) {
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	for i := range 100 {
		_, err := archive.CreateRaw(&zip.FileHeader{Name: fmt.Sprint(i), Comment: strings.Repeat("x", 65_000)})
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	_, err := readZip(t, buffer.Bytes())
	require.Equal(t, "the archive's list of files is longer than 4 MiB", said(t, err))
}

// packed is an archive of the small feed with one file of rows, which row makes, until it unpacks to n bytes.
func packed(t testing.TB, name, header string, n int, row func(i int) string) []byte {
	t.Helper()
	files := small()
	delete(files, name)
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	for name, text := range files {
		w, err := archive.Create(name)
		require.NoError(t, err)
		_, err = io.WriteString(w, text)
		require.NoError(t, err)
	}
	w, err := archive.Create(name)
	require.NoError(t, err)
	_, err = io.WriteString(w, header+"\n")
	require.NoError(t, err)
	for i, written := 0, 0; written < n; i++ {
		line := row(i) + "\n"
		_, err := io.WriteString(w, line)
		require.NoError(t, err)
		written += len(line)
	}
	require.NoError(t, archive.Close())
	return buffer.Bytes()
}

// peak is how many bytes the heap grew by while do ran, at most.
func peak(do func()) int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	before, most := int64(stats.HeapAlloc), int64(0)
	done, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-tick.C:
				var stats runtime.MemStats
				runtime.ReadMemStats(&stats)
				most = max(most, int64(stats.HeapAlloc)-before)
			case <-done:
				tick.Stop()
				return
			}
		}
	}()
	do()
	close(done)
	<-told
	return most
}

// A small archive that unpacks to a lot is refused by name before it has taken much.
func TestReadZip_Bombs(t *testing.T) {
	for name, c := range map[string]struct {
		file, header string
		bytes        int
		row          func(i int) string
		want         string
	}{
		"rows of nothing that is kept": {
			"translations.txt", "table_name,field_name,language,translation,record_id,field_value", 24 << 20,
			func(int) string {
				return "routes,route_long_name,de,x,,"
			}, "MiB to read, which is too much for an archive of",
		},
		"empty lines": {"stops.txt", "stop_id,stop_name", 24 << 20, func(int) string {
			return strings.Repeat("\n", 1_000)
		}, "MiB to read"},
		"lines of spaces": {"stops.txt", "stop_id,stop_name", 24 << 20, func(int) string {
			return strings.Repeat(" ", 1_000)
		}, "MiB to read"},
		"one date again": {"calendar_dates.txt", "service_id,date,exception_type", 24 << 20, func(int) string {
			return "s,20260103,1"
		}, "MiB to read"},
		"a quote": {"stops.txt", "stop_id,stop_name", 24 << 20, func(i int) string {
			return []string{`a,"`, strings.Repeat(`"`, 1_000)}[min(i, 1)]
		}, "MiB to read"},
		"stops": {"stops.txt", "stop_id,stop_name", 6 << 20, func(i int) string {
			return fmt.Sprintf("%07d,A", i)
		}, "MiB to keep in memory"},
	} {
		t.Run(name, func(t *testing.T) {
			data := packed(t, c.file, c.header, c.bytes, c.row)
			var err error
			grew := peak(func() { _, err = readZip(t, data) })
			message := said(t, err)
			t.Logf("%d KiB of archive, %d MiB of memory: %s", len(data)>>10, grew>>20, message)
			require.Contains(t, message, c.want)
			require.True(t, strings.HasPrefix(message, c.file+":"), message)
			// Twice what is reckoned, since garbage waits for its collector.
			require.Less(t, grew, int64(2*(64<<20+64*len(data))+64<<20))
		})
	}
}

// A few names in many languages, which all stops have: each station has them in the ledger, and on every server.
func TestReadZip_ANameOfManyStations(t *testing.T) {
	files := small()
	var stops, names, trips, times strings.Builder
	stops.WriteString(files["stops.txt"])
	trips.WriteString("route_id,service_id,trip_id\n")
	times.WriteString("trip_id,stop_id,stop_sequence,departure_time,arrival_time\n")
	for i := range 20_000 {
		fmt.Fprintf(&stops, "s%d,,Alpha,,\n", i)
		fmt.Fprintf(&times, "t%d,s%d,%d,%d:00:00,%d:00:00\n", i/100, i, i, i%100, i%100)
		if i%100 == 0 {
			fmt.Fprintf(&trips, "r,s,t%d\n", i/100)
		}
	}
	names.WriteString("table_name,field_name,language,translation,field_value\n")
	for i := range rail.MaxStationNames {
		fmt.Fprintf(&names, "stops,stop_name,x-%d,%s,Alpha\n", i, strings.Repeat("京", 128))
	}
	files["stops.txt"], files["translations.txt"] = stops.String(), names.String()
	files["trips.txt"], files["stop_times.txt"] = trips.String(), times.String()
	_, err := readZip(t, zipped(t, files))
	require.Contains(t, said(t, err), "translations.txt:")
	require.Contains(t, said(t, err), "MiB to keep in memory, which is too much for an archive of")
}

// Every list that is kept of a feed has its share of the memory.
func TestRead_EveryListIsCharged(t *testing.T) {
	const n = 20_000
	rows := func(header string, row func(i int) string) string {
		var text strings.Builder
		text.WriteString(header + "\n")
		for i := range n {
			text.WriteString(row(i) + "\n")
		}
		return text.String()
	}
	stops := rows("stop_id,stop_name", func(i int) string { return fmt.Sprintf("s%d,Name", i) })
	for file, text := range map[string]string{
		"agency.txt": rows("agency_id,agency_timezone", func(i int) string {
			return fmt.Sprintf("%d,Europe/Berlin", i)
		}),
		"stops.txt":  stops,
		"routes.txt": rows("route_id,route_type", func(i int) string { return fmt.Sprintf("%d,2", i) }),
		"calendar_dates.txt": rows("service_id,date,exception_type", func(i int) string {
			return fmt.Sprintf("%d,20260103,1", i)
		}),
		"trips.txt": rows("route_id,service_id,trip_id", func(i int) string {
			return fmt.Sprintf("r,s,%d", i)
		}),
		"frequencies.txt": rows("trip_id,start_time,end_time,headway_secs,exact_times", func(int) string {
			return "t1,06:00:00,07:00:00,600,1"
		}),
		"translations.txt": rows("table_name,field_name,language,translation,record_id", func(int) string {
			return "stops,stop_name,de,x,a"
		}),
	} {
		feed := fsOf(with(map[string]string{file: text}))
		_, err := gtfs.Read(t.Context(), feed, gtfs.Options{MaxMemory: 1 << 20})
		message := said(t, err)
		require.True(t, strings.HasPrefix(message, file+":"), message)
		require.Contains(t, message, "the feed has more than 1 MiB to keep in memory")
	}
	// Dates of one service, and calls.
	_, err := gtfs.Read(t.Context(), fsOf(with(map[string]string{
		"calendar_dates.txt": rows("service_id,date,exception_type", func(i int) string {
			return "s," + strings.ReplaceAll(rail.Date(i).String(), "-", "") + ",1"
		}),
	})), gtfs.Options{MaxMemory: 512 << 10})
	require.Contains(t, said(t, err), "MiB to keep in memory")
	_, err = gtfs.Read(t.Context(), fsOf(with(map[string]string{
		"trips.txt": func() string {
			var text strings.Builder
			text.WriteString("route_id,service_id,trip_id\n")
			for i := range n / 200 {
				fmt.Fprintf(&text, "r,s,t%d\n", i)
			}
			return text.String()
		}(),
		"stop_times.txt": rows("trip_id,stop_id,stop_sequence", func(i int) string {
			return fmt.Sprintf("t%d,a,%d", i/200, i)
		}),
	})), gtfs.Options{MaxMemory: 1 << 20})
	require.Contains(t, said(t, err), "stop_times.txt:")
	require.Contains(t, said(t, err), "MiB to keep in memory")

	_, err = gtfs.Read(t.Context(), fsOf(small()), gtfs.Options{MaxMemory: 1 << 20})
	require.NoError(t, err)
}

// What is kept of a row is what is charged: a name does not keep the rest of its row in memory.
func TestRead_NamesDoNotKeepTheirRows(t *testing.T) {
	const n = 500
	var stops, routes, trips, times strings.Builder
	stops.WriteString("stop_id,stop_name,stop_desc\na,Alpha,\nb,Beta,\n")
	routes.WriteString("route_id,route_short_name,route_type,route_url\n")
	trips.WriteString("trip_id,trip_short_name,route_id,service_id,trip_note\n")
	times.WriteString("trip_id,arrival_time,departure_time,stop_id,stop_sequence\n")
	rest := strings.Repeat("x", 16<<10)
	for i := range n {
		fmt.Fprintf(&stops, "s%d,Station%d,%s\n", i, i, rest)
		fmt.Fprintf(&routes, "r%d,Route%d,102,%s\n", i, i, rest)
		fmt.Fprintf(&trips, "t%d,IC%d,r%d,s,%s\n", i, i, i, rest)
		fmt.Fprintf(&times, "t%d,08:00:00,08:00:00,a,1\nt%d,09:00:00,09:00:00,b,2\n", i, i)
	}
	files := fsOf(with(map[string]string{
		"stops.txt": stops.String(), "routes.txt": routes.String(), "trips.txt": trips.String(),
		"stop_times.txt": times.String(),
	}))
	heap := func() int64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	before := heap()
	feed, err := gtfs.Read(t.Context(), files, gtfs.Options{})
	require.NoError(t, err)
	require.Less(t, heap()-before, int64(n*len(rest)/2), "the rows of a file, or of more, are kept")
	require.Len(t, feed.Trips, n)
	runtime.KeepAlive(files)
}

// BenchmarkRead_Country reads the feeds of countries: trips of 20 calls each, packed as railways pack them.
func BenchmarkRead_Country(b *testing.B) {
	for name, trips := range map[string]int{"1_000_000 stop_times": 50_000, "30_000_000 stop_times": 1_500_000} {
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "feed.zip")
			country(b, path, trips)
			info, err := os.Stat(path)
			require.NoError(b, err)
			for b.Loop() {
				grew := peak(func() {
					feed, err := gtfs.ReadFile(b.Context(), path,
						gtfs.Options{MaxMemory: max(gtfs.DefaultMaxMemory, int64(trips)*2_500)})
					require.NoError(b, err)
					require.Len(b, feed.Trips, trips)
				})
				b.ReportMetric(float64(grew)/1e6, "MB-peak")
				b.ReportMetric(float64(info.Size())/1e6, "MB-archive")
			}
		})
	}
}

// country writes the feed of a country with so many trips, 100 stops to each thousand.
func country(b *testing.B, path string, trips int) {
	b.Helper()
	file, err := os.Create(path)
	require.NoError(b, err)
	archive := zip.NewWriter(file)
	stops := max(trips/10, 20)
	for name, text := range map[string]func(w io.Writer){
		"agency.txt":   func(w io.Writer) { io.WriteString(w, small()["agency.txt"]) },
		"routes.txt":   func(w io.Writer) { io.WriteString(w, small()["routes.txt"]) },
		"calendar.txt": func(w io.Writer) { io.WriteString(w, small()["calendar.txt"]) },
		"stops.txt": func(w io.Writer) {
			io.WriteString(w, "stop_id,stop_name,stop_lat,stop_lon\n")
			for i := range stops {
				fmt.Fprintf(w, "de:%05d:%d,Bahnhof %d,%.6f,%.6f\n", i%90_000, i, i, 47+float64(i%700)/100,
					6+float64(i%900)/100)
			}
		},
		"trips.txt": func(w io.Writer) {
			io.WriteString(w, "route_id,service_id,trip_id,trip_short_name\n")
			for i := range trips {
				fmt.Fprintf(w, "r,s,%d,%d\n", 1_000_000+i, i)
			}
		},
		"stop_times.txt": func(w io.Writer) {
			io.WriteString(w,
				"trip_id,arrival_time,departure_time,stop_id,stop_sequence,pickup_type,drop_off_type,stop_headsign\n")
			for i := range trips {
				for j := range 20 {
					at, stop := i%1_000+j*3, (i*7+j)%stops
					fmt.Fprintf(w, "%d,%02d:%02d:00,%02d:%02d:30,de:%05d:%d,%d,0,0,\n", 1_000_000+i, at/60, at%60,
						at/60, at%60, stop%90_000, stop, j)
				}
			}
		},
	} {
		w, err := archive.Create(name)
		require.NoError(b, err)
		buffered := bufio.NewWriter(w)
		text(buffered)
		require.NoError(b, buffered.Flush())
	}
	require.NoError(b, archive.Close())
	require.NoError(b, file.Close())
}
