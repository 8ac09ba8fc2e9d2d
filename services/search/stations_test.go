package search_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/search"
)

func chinese(code rail.StationCode, name, pinyin, initials string) *rail.Station {
	return &rail.Station{
		Code: code, Name: name, TimeZone: shanghai,
		Names: map[string]string{"zh-Latn": pinyin, "zh-Latn-x-initial": initials},
	}
}

func stationTimetable(t *testing.T) *search.Timetable {
	t.Helper()
	timetable, _ := loaded(t, []*rail.Station{
		chinese("BJP", "北京", "Beijing", "BJ"),
		chinese("VNP", "北京南", "Beijingnan", "BJN"),
		chinese("BXP", "北京西", "Beijingxi", "BJX"),
		chinese("AOH", "上海虹桥", "Shanghaihongqiao", "SHHQ"),
		chinese("XAY", "西安", "Xi'an", "XA"),
		chinese("EAY", "西安北", "Xi'anbei", "XAB"),
		chinese("BJQ", "宝鸡", "Baoji", "BJ"),
		{Code: "ZUE", Name: "Zürich HB", TimeZone: "Europe/Zurich"},
		{Code: "SDN", Name: "Saint-Denis (Stade)", TimeZone: "Europe/Paris"},
		{Code: "IKA", Name: "علی\u200cرضا", TimeZone: "Asia/Tehran"},
		{Code: "JRS", Name: "יְרוּשָׁלַיִם", TimeZone: "Asia/Jerusalem"},
		{Code: "KTI", Name: "葛\U000E0100城", TimeZone: "Asia/Tokyo"},
		{Code: "GRU", Name: "Größe Straße", TimeZone: "Europe/Berlin"},
	})
	return timetable
}

func codes(matches []search.StationMatch) string {
	var all []string
	for _, m := range matches {
		all = append(all, string(m.Station.Code))
	}
	return strings.Join(all, " ")
}

func TestStations_Matching(t *testing.T) {
	timetable := stationTimetable(t)
	for _, c := range []struct{ typed, want, why string }{
		{"VNP", "VNP", "by code"},
		{"vnp", "VNP", "in any case"},
		{"北京", "BJP BXP VNP", "the very name first, then those that begin with it, by code"},
		{"beijing", "BJP BXP VNP", "by pinyin"},
		{"Bei Jing", "BJP BXP VNP", "with spaces"},
		{"beijingn", "VNP", "by the beginning of pinyin"},
		{"bj", "BJP BJQ BXP VNP", "by initials"},
		{"bjn", "VNP", "by all initials"},
		{"虹桥", "AOH", "inside a name"},
		{"桥", "AOH", "one character inside a name"},
		{"hongqiao", "AOH", "inside a translation"},
		{"xian", "XAY EAY", "without the apostrophe"},
		{"XI’AN", "XAY EAY", "with another apostrophe"},
		{"xi", "EAY XAY", "two letters: prefixes only, so not Beijingxi"},
		{"jing", "BJP BXP VNP", "four letters: inside translations too"},
		{"zurich", "ZUE", "without accents"},
		{"ZÜRICH", "ZUE", "with accents"},
		{"Zu\u0308rich", "ZUE", "with accents typed apart"},
		{"ｖｎｐ", "VNP", "on a full-width keyboard"},
		{"saint denis", "SDN", "without the hyphen"},
		{"stade", "SDN", "inside brackets"},
		{"علیرضا", "IKA", "without the joiner"},
		{"علی\u200dرضا", "IKA", "with another"},
		{"عَلي", "", "another letter is another name"},
		{"ירושלים", "JRS", "without vowels"},
		{"葛城", "KTI", "without the variant of a character"},
		{"saint\u3000denis", "SDN", "with an ideographic space"},
		{"saint\u00a0denis", "SDN", "with a no-break space"},
		{"南京", "", "nothing"},
		{"beijingnanx", "", "longer than any"},
		{strings.Repeat("x", 5_000), "", "too long to look at"},
		{"\xff\xfe", "", "no text at all"},
		{"", "AOH BJP BJQ BXP EAY GRU IKA JRS KTI SDN VNP XAY ZUE", "all, by code"},
		{"  ", "AOH BJP BJQ BXP EAY GRU IKA JRS KTI SDN VNP XAY ZUE", "nothing typed"},
	} {
		matches, hasNext := timetable.Stations(c.typed, nil, 100)
		require.Equal(t, c.want, codes(matches), "%q: %s", c.typed, c.why)
		require.False(t, hasNext)
	}
}

func TestStations_Pages(t *testing.T) {
	timetable := stationTimetable(t)
	for _, typed := range []string{"", "bj", "beijing", "xian"} {
		all, _ := timetable.Stations(typed, nil, 100)
		for limit := 1; limit <= len(all); limit++ {
			var paged []search.StationMatch
			var after *search.StationPlace
			for {
				page, hasNext := timetable.Stations(typed, after, limit)
				require.LessOrEqual(t, len(page), limit)
				paged = append(paged, page...)
				if !hasNext {
					break
				}
				place := page[len(page)-1].Place()
				after = &place
			}
			require.Equal(t, all, paged, "%q by %d", typed, limit)
		}
	}
}
