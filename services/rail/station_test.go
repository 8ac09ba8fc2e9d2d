package rail_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

func TestStationValidate(t *testing.T) {
	at := func(x float64) *float64 { return &x }
	for name, c := range map[string]struct {
		change func(*rail.Station)
		want   []string
	}{
		"good":           {func(*rail.Station) {}, nil},
		"the south pole": {func(s *rail.Station) { s.Latitude, s.Longitude = at(-90), at(-180) }, nil},
		"a feed's id":    {func(s *rail.Station) { s.Code = "de:08111:6115::2 (tief) äöü" }, nil},
		"no code":        {func(s *rail.Station) { s.Code = "" }, []string{"INVALID /input/code"}},
		"a space behind": {func(s *rail.Station) { s.Code = "VNP " }, []string{"INVALID /input/code"}},
		"64 characters":  {func(s *rail.Station) { s.Code = rail.StationCode(strings.Repeat("京", 64)) }, nil},
		"65 characters": {func(s *rail.Station) {
			s.Code = rail.StationCode(strings.Repeat("京", 65))
		}, []string{"INVALID /input/code"}},
		"code with a newline": {func(s *rail.Station) { s.Code = "V\nP" }, []string{"INVALID /input/code"}},
		"code not UTF-8":      {func(s *rail.Station) { s.Code = "V\xffP" }, []string{"INVALID /input/code"}},
		"an unseen space":     {func(s *rail.Station) { s.Code = "V\u200bP" }, []string{"INVALID /input/code"}},
		"no name":             {func(s *rail.Station) { s.Name = "" }, []string{"INVALID /input/name"}},
		"endless name": {func(s *rail.Station) {
			s.Name = strings.Repeat("x", 129)
		}, []string{"INVALID /input/name"}},
		"empty translation": {func(s *rail.Station) {
			s.Names = map[string]string{"en": ""}
		}, []string{"INVALID /input/names"}},
		"no language": {func(s *rail.Station) {
			s.Names = map[string]string{"": "x"}
		}, []string{"INVALID /input/names"}},
		"no zone":           {func(s *rail.Station) { s.TimeZone = "" }, []string{"INVALID /input/timeZone"}},
		"the server's zone": {func(s *rail.Station) { s.TimeZone = "Local" }, []string{"INVALID /input/timeZone"}},
		"a made-up zone": {func(s *rail.Station) {
			s.TimeZone = "Asia/Atlantis"
		}, []string{"INVALID /input/timeZone"}},
		"slashes in a zone": {func(s *rail.Station) {
			s.TimeZone = "Asia//Shanghai"
		}, []string{"INVALID /input/timeZone"}},
		"dots in a zone": {func(s *rail.Station) {
			s.TimeZone = "Asia/./Shanghai"
		}, []string{"INVALID /input/timeZone"}},
		"two spellings of é": {func(s *rail.Station) { s.Code = "e\u0301" }, []string{"INVALID /input/code"}},
		"65 languages": {func(s *rail.Station) {
			for i := range 65 {
				s.Names[rail.Index(i)] = "x"
			}
		}, []string{"INVALID /input/names"}},
		"a path for a zone": {func(s *rail.Station) {
			s.TimeZone = "../../etc/passwd"
		}, []string{"INVALID /input/timeZone"}},
		"half a place":    {func(s *rail.Station) { s.Latitude = nil }, []string{"INVALID /input/latitude"}},
		"beyond the pole": {func(s *rail.Station) { s.Latitude = at(90.1) }, []string{"INVALID /input/latitude"}},
		"not a number": {func(s *rail.Station) {
			s.Latitude, s.Longitude = at(math.NaN()), at(math.Inf(1))
		}, []string{"INVALID /input/latitude", "INVALID /input/longitude"}},
	} {
		s := &rail.Station{
			Code: "VNP", Name: "北京南", Names: map[string]string{"zh-Latn": "Beijingnan"},
			TimeZone: "Asia/Shanghai", Latitude: at(39.865), Longitude: at(116.378),
		}
		c.change(s)
		require.Equal(t, c.want, paths(s.Validate("input")), name)
	}
}

func TestStation_NameAndZone(t *testing.T) {
	s := &rail.Station{Name: "北京南", Names: map[string]string{"zh-Latn": "Beijingnan"}, TimeZone: "Asia/Shanghai"}
	require.Equal(t, "Beijingnan", s.NameIn("zh-Latn"))
	require.Equal(t, "北京南", s.NameIn("de"))
	require.Equal(t, "Asia/Shanghai", s.Location().String())
	require.Equal(t, time.UTC, (&rail.Station{TimeZone: "Asia/Atlantis"}).Location())
	require.Same(t, zone(t, "Asia/Shanghai"), zone(t, "Asia/Shanghai"), "read from disk once")
}
