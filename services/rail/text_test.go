package rail_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/rail"
)

// Names as people have them are sold as they are.
func TestCheckText_NamesOfEveryScript(t *testing.T) {
	for _, name := range []string{
		"王小明", "阿卜杜拉·买买提", "山田 太郎", "渡邉\U000E0101 一郎", "김영희", "Zoë O'Neill", "Jean-Luc d’Ormesson", "Nguyễn Thị Hồng",
		"علی\u200cرضا محمدی",            // Persian, a non-joiner between letters.
		"مُحَمَّد بن سَلمان",            // Arabic with its vowels.
		"שָׁלוֹם",                       // Hebrew with its vowels.
		"ශ්\u200dරී ජයවර්ධන",            // Sinhala, a joiner behind a virama.
		"क्\u200dषमा शर्मा",             // Devanagari, the same.
		"কর্\u200dম র\u200d্যাব",        // Bengali, a joiner before a virama, too.
		"അവന്\u200d",                    // Malayalam, a joiner that ends a word.
		"ပြည်သူ့ မြို့", "བཀྲ་ཤིས་རྒྱལ", // Burmese and Tibetan pile up marks.
		"สมชาย ศรีสุข", "ខ្មែរ សុខ", "ᠮᠣᠩᠭᠣᠯ", "ᠰᠢᠨ\u180eᠡ ᠪᠠᠷᠭᠤ", "Ольга", "Γιώργος", "გიორგი", "Հայկ", "አበበ",
		"X Æ A-12", "Ñandú 3º",
	} {
		require.True(t, rail.CheckText("a name", rail.NormalizeText(name), 64) == nil, "%q: %v", name,
			rail.CheckText("a name", rail.NormalizeText(name), 64))
	}
}

func TestQuote(t *testing.T) {
	for text, shown := range map[string]string{
		"": `""`, "VNP": `"VNP"`, "北京": `"北京"`, `a"b`: `"a\"b"`, "a\nb\u202e": `"a\nb\u202e"`, "\xff": `"\xff"`,
		strings.Repeat("京", 120): `"` + strings.Repeat("京", 120) + `"`,
		strings.Repeat("京", 121): `"` + strings.Repeat("京", 120) + `" …`,
	} {
		require.Equal(t, shown, rail.Quote(text))
	}
}

func TestCheckText_NamesTheCharacterAndItsPlace(t *testing.T) {
	const name = "a name has 1 to 64 printable characters: "
	for text, want := range map[string]string{
		"":                                "it is empty",
		strings.Repeat("王", 65):           "it has 65",
		"Li\xff":                          "it is not UTF-8",
		" Li":                             "it begins or ends with a space",
		"Li ":                             "it begins or ends with a space",
		"王\n明":                            "character 2 is U+000A, a control character",
		"a\u202eb":                        "character 2 is U+202E, which changes the direction of writing",
		"שלום\u200f":                      "character 5 is U+200F, which changes the direction of writing",
		"a\u061cb":                        "character 2 is U+061C, which changes the direction of writing",
		"a\u200bb":                        "character 2 is U+200B, which cannot be seen",
		"a\u00adb":                        "character 2 is U+00AD, which cannot be seen",
		"\ufeffa":                         "character 1 is U+FEFF, which cannot be seen",
		"\u3164":                          "character 1 is U+3164, which cannot be seen",
		"a\u2028b":                        "character 2 is U+2028, which cannot be seen",
		"a\U000E0041b":                    "character 2 is U+E0041, which cannot be seen",
		"Li\ufffd":                        "character 3 is U+FFFD, which stands for a character that was lost",
		"王\ue000":                         "character 2 is U+E000, a character of private use",
		"王\U000F0000":                     "character 2 is U+F0000, a character of private use",
		"a\u0378":                         "character 2 is U+0378, which is not assigned",
		"a\uffff":                         "character 2 is U+FFFF, which is not assigned",
		"a\u3000b":                        "character 2 is U+3000, a space other than U+0020",
		"\u200dLi":                        "character 1 is U+200D, a joiner that joins no letters",
		"Li\u200c":                        "character 3 is U+200C, a joiner that joins no letters",
		"Li\u200c\u200cLi":                "character 3 is U+200C, a joiner that joins no letters",
		"Li \u200dLi":                     "character 4 is U+200D, a joiner that joins no letters",
		"Li\u180eLi":                      "character 3 is U+180E, a joiner that joins no letters",
		"ᠰᠢᠨ\u180e":                       "character 4 is U+180E, a joiner that joins no letters",
		"ᠰ\u180e\u180eᠡ":                  "character 2 is U+180E, a joiner that joins no letters",
		"7\u200d7":                        "character 2 is U+200D, a joiner that joins no letters",
		"\u0301Li":                        "character 1 is U+0301, a combining mark without a letter before it",
		"Li \u0301":                       "character 4 is U+0301, a combining mark without a letter before it",
		"Z" + strings.Repeat("\u0321", 9): "character 10 is U+0321, more than 8 combining marks in a row",
		// A joiner between them does not make two rows of one.
		"Z" + strings.Repeat("\u0321", 5) + "\u200d" +
			strings.Repeat("\u0321", 5): "character 11 is U+0321, more than 8 combining marks in a row",
		"Zu\u0308rich": "it is not composed (NFC)",
	} {
		wrong := rail.CheckText("a name", text, 64)
		require.NotNil(t, wrong, "%q", text)
		require.Equal(t, rail.Invalid, wrong.Code)
		require.Equal(t, name+want, wrong.Message)
	}
	require.Nil(t, rail.CheckText("a name", strings.Repeat("王", 64), 64), "characters are counted, not bytes")
	require.Nil(t, rail.CheckText("a name", "Z"+strings.Repeat("\u0321", 8), 64))
}

func TestNormalizeText(t *testing.T) {
	for text, want := range map[string]string{
		// NFC leaves this one apart.
		"Zu\u0308rich": "Zürich", "\u1112\u1161\u11ab": "한", "\u212b": "Å", "क़": "क\u093c",
		"山田\u3000太郎": "山田 太郎", "Zoë\u00a0O'Neill": "Zoë O'Neill", "a\u2009b\u202fc": "a b c", "\t Li\u3000\n": "Li",
		"王１２": "王１２", "": "", "\u3000": "", "Li\xff": "Li\xff",
	} {
		require.Equal(t, want, rail.NormalizeText(text), "%q", text)
	}
	long := strings.Repeat("u\u0308", 4_096)
	require.Equal(t, long, rail.NormalizeText(long), "what is far too long is not worked on")
}

func TestNormalizeLabel(t *testing.T) {
	for label, want := range map[string]string{
		"Ｔ１２": "T12", "Ｄ３０５／ｄ３０８": "D305／d308", "２３Ｂ\u3000": "23B", "고속１": "고속1", "ﾄ": "ﾄ", "٣": "٣", "Ａ\u0301": "Á",
		"T\xff": "T\xff",
	} {
		require.Equal(t, want, rail.NormalizeLabel(label), "%q", label)
	}
}

// Normalising twice is normalising once, and what passes then can be seen and is one line.
func TestNormalizeText_Once(t *testing.T) {
	letters := []rune("aé\u0301\u0308王한\u1112\u1161 \u00a0\u3000\u200d\u200c\u0dcaශ\u0300Ａ１\t\u202e\u0344\u0958")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.StringOf(rapid.SampledFrom(letters)), rapid.String()).Draw(t, "text")
		once := rail.NormalizeText(text)
		require.Equal(t, once, rail.NormalizeText(once))
		label := rail.NormalizeLabel(text)
		require.Equal(t, label, rail.NormalizeLabel(label))
		if rail.CheckText("a text", once, 64) != nil {
			return
		}
		require.NotEmpty(t, once)
		require.LessOrEqual(t, len(once), 64*utf8.UTFMax)
		for _, r := range once {
			require.True(t, unicode.IsPrint(r) || r == '\u200c' || r == '\u200d' || r == '\u180e', "%q", once)
		}
	})
}

// Every place that takes a text takes the same.
func TestText_InEveryPlace(t *testing.T) {
	const persian, hidden = "رضا\u200cیی", "a\u202eb"
	station := func(name string) rail.Errors {
		return (&rail.Station{
			Code: "A", Name: name, Names: map[string]string{"fa": name},
			TimeZone: "Asia/Tehran",
		}).Validate("input")
	}
	require.Empty(t, station(persian))
	require.Equal(t, []string{"INVALID /input/name", "INVALID /input/names"}, paths(station(hidden)))
	train := func(text, label string) rail.Errors {
		return with(t12(), func(c *rail.Train) {
			c.Number, c.Kind = text, text
			c.Formation = rail.NewFormation([]rail.Coach{
				{Number: label, SeatClass: rail.Second, Seats: []rail.Seat{{Label: label}}},
			})
		}).Validate("input")
	}
	require.Empty(t, train(persian, "ی\u200cا"))
	wrong := train(hidden, hidden)
	require.Equal(t, []string{
		"INVALID /input/number", "INVALID /input/kind", "INVALID /input/coaches/0/number",
		"INVALID /input/coaches/0/layout",
	}, paths(wrong))
	for _, each := range wrong {
		require.Contains(t, each.Message, "character 2 is U+202E")
	}
	_, _, err := order(func(p *rail.PlaceOrder) {
		p.Passengers[1].Name, p.Passengers[1].Wish = persian, rail.Wish{Coach: persian}
	}).Validate(t12run(t))
	require.NoError(t, err)
	_, _, err = order(func(p *rail.PlaceOrder) {
		p.Passengers[1].Name, p.Passengers[1].Wish = hidden, rail.Wish{Coach: hidden, Letter: hidden}
	}).Validate(t12run(t))
	var errs rail.Errors
	require.ErrorAs(t, err, &errs)
	require.Equal(t, []string{
		"INVALID /input/passengers/1/name", "INVALID /input/passengers/1/wish/letter",
		"INVALID /input/passengers/1/wish/coach",
	}, paths(errs))
}

// One person who types in another way is the same request.
func TestPlaceOrder_Normalize_IsOneRequest(t *testing.T) {
	typed := order(func(p *rail.PlaceOrder) {
		p.Passengers[0].DocumentNumber = "１１０１０１１９９００１０１１２３４\u3000"
		p.Passengers[1].Name = "Zoe\u0308\u00a0O'Neill"
		p.Passengers[1].DocumentNumber = "ｃ０１ｘ００ｔ４７"
		p.Passengers[1].Wish = rail.Wish{Position: rail.Window, Letter: "ａ", Coach: "１"}
	})
	typed.Normalize()
	require.Equal(t, order(func(*rail.PlaceOrder) {}), typed)
}

func TestPlaceOrder_DocumentNumbers(t *testing.T) {
	const rule = "a document number has 4 to 32 letters A to Z and digits: "
	for number, want := range map[string]string{
		"12-34":                    "character 3 is U+002D",
		"１２／３４":                    "character 3 is U+FF0F",
		"ab٣4":                     "character 3 is U+0663",
		"straſe12":                 "character 5 is U+017F", // Its capital would be S.
		"kıng12":                   "character 2 is U+0131", // Its capital would be I.
		"123":                      "it has 3",
		strings.Repeat("1", 33):    "it has 33",
		strings.Repeat("1", 9_999): "it has 9999",
	} {
		p := order(func(p *rail.PlaceOrder) { p.Passengers[0].DocumentNumber = number })
		p.Normalize()
		_, _, err := p.Validate(t12run(t))
		var errs rail.Errors
		require.ErrorAs(t, err, &errs)
		require.Equal(t, []string{"INVALID /input/passengers/0/documentNumber"}, paths(errs))
		require.Equal(t, rule+want, errs[0].Message)
	}
}
