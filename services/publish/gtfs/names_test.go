package gtfs_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/publish/gtfs"
	"interlock/services/rail"
)

// Ids may be of any length, and of any characters: what is too long for a code or a number is shortened, and is the
// same with every import.
func TestRead_LongIDs(t *testing.T) {
	long := strings.Repeat("station-", 20)
	files := func(a, b string) map[string]string {
		return map[string]string{
			"stops.txt": "stop_id,stop_name,stop_lat,stop_lon\n" + a + ",Alpha,50,10\n" + b + ",Beta,51,10\n",
			"trips.txt": "route_id,service_id,trip_id\nr,s," + a + "\n",
			"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence,shape_dist_traveled\n" +
				a + ",08:00:00,08:00:00," + a + ",1,0\n" + a + ",09:00:00,09:00:00," + b + ",2,120\n",
		}
	}
	feed, found := readFound(t, files(long+"1", long+"2"), gtfs.Options{})
	again, _ := readFound(t, files(long+"1", long+"2"), gtfs.Options{})
	require.Equal(t, feed, again)
	require.Equal(t, long+"1", feed.Trips[0].ID)
	require.Regexp(t, `^(station-){13}station~[0-9a-f]{16}$`, feed.Trips[0].Number)
	for i, station := range feed.Stations {
		require.Regexp(t, `^(station-){5}station~[0-9a-f]{16}$`, station.Code)
		require.Contains(t, found[i], string(station.Code))
		require.Equal(t, station.Code, feed.Trips[0].Calls[i].Station)
	}
	require.NotEqual(t, feed.Stations[0].Code, feed.Stations[1].Code)

	for name, id := range map[string]string{
		"a bell": "\u0007", "a joiner": "a\u200d", "private": "\ue000x", "marks": strings.Repeat("e\u0301", 70),
		"a mark cut off": strings.Repeat("x", 46) + "e" + strings.Repeat("\u0323", 8) + strings.Repeat("y", 90),
		"64 letters":     strings.Repeat("京", 64), "65 letters": strings.Repeat("京", 65),
	} {
		feed, _ := readFound(t, files(id, "b"), gtfs.Options{})
		require.Len(t, feed.Trips, 1, name)
		require.True(t, feed.Stations[0].Code.Valid(), name)
		require.Nil(t, rail.CheckText("a number", feed.Trips[0].Number, 128), name)
	}
}

// A prefix is before every code, and in the digest of one that is too long with it. The codes are the same whenever the
// feed is read.
func TestRead_StationPrefix(t *testing.T) {
	long := strings.Repeat("x", 62)
	files := map[string]string{
		"trips.txt": "route_id,service_id,trip_id\nr,s,t1\n",
		"stops.txt": "stop_id,stop_code,stop_name,stop_lat,stop_lon\n" +
			"a,1,Alpha,53,-6\nb,,Beta,53,-7\nc," + long + ",Gamma,53,-8\n" + long + ",,Delta,53,-9\n",
		"stop_times.txt": "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n" +
			"t1,07:00:00,07:00:00,a,1\nt1,08:00:00,08:05:00,b,2\nt1,09:00:00,09:00:00,c,3\n" +
			"t1,10:00:00,10:00:00," + long + ",4\n",
	}
	for _, prefix := range []string{"", "WE-", "西"} {
		read := func() (codes []rail.StationCode) {
			feed, _ := readFound(t, files, gtfs.Options{StationPrefix: prefix})
			for _, station := range feed.Stations {
				require.True(t, station.Code.Valid())
				codes = append(codes, station.Code)
			}
			return codes
		}
		codes := read()
		require.Equal(t, codes, read())
		require.Equal(t, []rail.StationCode{rail.StationCode(prefix + "1"), rail.StationCode(prefix + "b")}, codes[:2])
		switch prefix {
		case "WE-":
			require.Equal(t, rail.StationCode("WE-c"), codes[2], "its stop_code is too long behind the prefix")
			require.Regexp(t, "^WE-x{44}~[0-9a-f]{16}$", codes[3])
		case "":
			require.Equal(t, []rail.StationCode{"c", rail.StationCode(long)}, codes[2:], "two have the code")
		default:
			require.Equal(t, []rail.StationCode{"西c", rail.StationCode("西" + long)}, codes[2:])
		}
	}
}
