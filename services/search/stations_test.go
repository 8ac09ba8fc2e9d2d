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

// European names are found as they are typed on any keyboard. What is written as it was typed goes first, then what
// differs in its accents, then what has two letters for one.
func TestStations_AccentsAndTransliterations(t *testing.T) {
	var all []*rail.Station
	for code, name := range map[rail.StationCode]string{
		"PL2": "Łódź Fabryczna", "PL1": "Lodève", "ZRH": "Zürich HB", "ZRB": "Zuerichberg", "AAR": "Aarhus H",
		"ARS": "Århus Havn", "TRO": "Tromsø", "STR": "Lange Straße", "STS": "Strassen", "IST": "Kadıköy İskele",
		"DAN": "Đà Nẵng", "DAK": "Đakovo", "KBH": "København H", "AER": "Ærøskøbing", "THO": "Þórshöfn", "GOE": "Goethe",
		"GOT": "Göthe", "GOP": "Gothenburg", "MOE": "Moers", "AMO": "Mörs", "DK1": "Båd", "DK2": "Bad", "SEO": "서울",
		"NAR": "Nārāyanpur", "GAN": "Gəncə", "LU": "吕梁", "NIN": "宁",
	} {
		all = append(all, &rail.Station{Code: code, Name: name, TimeZone: "Europe/Berlin"})
	}
	timetable, _ := loaded(t, all)
	for _, c := range []struct{ typed, want, why string }{
		{"Lodz", "PL2", "a stroke that is no accent"},
		{"łódź", "PL2", "with it"},
		{"ŁÓDŹ", "PL2", "in capitals"},
		{"lod", "PL1 PL2", "the beginning of both: as written first"},
		{"zurich", "ZRH", "without the dots"},
		{"zuerich", "ZRB ZRH", "transliterated: what is written so goes first"},
		{"Zürich", "ZRH ZRB", "with the dots, where one name is transliterated"},
		{"zuerich h", "ZRH", "the beginning of it"},
		{"erich", "ZRB ZRH", "inside both"},
		{"Aarhus", "AAR ARS", "both spellings of it"},
		{"Århus", "ARS AAR", "the other one first"},
		{"arhus", "ARS AAR", "without the ring; the other has it inside"},
		{"tromso", "TRO", "Norwegian"},
		{"TROMSØ", "TRO", "as it is written"},
		{"tromsoe", "TRO", "transliterated"},
		{"strasse", "STS STR", "sharp s: as written first, inside a name last"},
		{"straße", "STS STR", "a name with ss begins with it; another has it inside"},
		{"STRAẞE", "STS STR", "the capital"},
		{"kadikoy iskele", "IST", "dotless i, and dotted I"},
		{"KADIKÖY İSKELE", "IST", "capitals"},
		{"da nang", "DAN", "Vietnamese, with two accents on a letter"},
		{"đà nẵng", "DAN", "as it is written"},
		{"dakovo", "DAK", "Croatian"},
		{"djakovo", "DAK", "transliterated"},
		{"kobenhavn", "KBH", "Danish"},
		{"koebenhavn", "KBH", "transliterated"},
		{"aeroskobing", "AER", "two of them"},
		{"aeroeskoebing", "AER", "both transliterated"},
		{"thorshofn", "THO", "Icelandic"},
		{"goethe", "GOE GOT", "the very name before the one that is only spelled like it"},
		{"göthe", "GOT GOE GOP", "and the other way round; what only begins with it goes last"},
		{"moers", "MOE AMO", "whatever their codes are"},
		{"bad", "DK2 DK1", "the very name before another accent"},
		{"båd", "DK1 DK2", "and the other way round"},
		{"baad", "DK1", "transliterated"},
		{"서울", "SEO", "Korean"},
		{"서우", "SEO", "a syllable that is not finished"},
		{"narayanpur", "NAR", "long vowels"},
		{"gence", "GAN", "Azerbaijani"},
		{"吕", "LU", "Chinese"},
	} {
		matches, _ := timetable.Stations(c.typed, nil, 100)
		require.Equal(t, c.want, codes(matches), "%q: %s", c.typed, c.why)
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
