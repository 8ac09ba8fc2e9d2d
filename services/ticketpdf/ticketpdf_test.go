package ticketpdf_test

import (
	"bytes"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	aztecreader "github.com/makiuchi-d/gozxing/aztec"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/rail"
	"interlock/services/ticketcode"
	"interlock/services/ticketpdf"
)

// droid is the font for Chinese that is looked for first, dejavu that for other letters.
const (
	droid  = "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"
	dejavu = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
)

// printer has both fonts.
func printer(t *testing.T) *ticketpdf.Printer {
	t.Helper()
	for file, of := range map[string]string{droid: "fonts-droid-fallback", dejavu: "fonts-dejavu-core"} {
		if _, err := os.Stat(file); err != nil {
			missing(t, "a font is missing ("+of+")")
		}
	}
	p, err := ticketpdf.New("")
	require.NoError(t, err)
	require.True(t, p.HasFont())
	return p
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("INTERLOCK_REQUIRE_SERVERS") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// tool finds a program of a Debian package.
func tool(t *testing.T, name, of string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name+" is not installed ("+of+")")
	}
	return path
}

// code is a signed code, and its symbol.
func code(t *testing.T) (string, image.Image) {
	t.Helper()
	var none *ticketcode.Ring
	ring, err := none.Add()
	require.NoError(t, err)
	at := time.Date(2030, 5, 1, 0, 0, 0, 0, time.UTC)
	text, err := ring.Signer().Sign(ticketcode.Ticket{
		RunID: rail.RunID("G1@2030-05-01"), OrderID: "G1@2030-05-01/0123456789abc", Index: 1, From: 0, To: 3,
		FromStation: "VNP", ToStation: "AOH", Coach: "3", Seat: "12F", DocumentTail: "0702", ValidFrom: at,
		ValidUntil: at.Add(30 * time.Hour),
	})
	require.NoError(t, err)
	symbol, err := ticketcode.Image(text)
	require.NoError(t, err)
	return text, symbol
}

func page(t *testing.T) ticketpdf.Page {
	t.Helper()
	text, symbol := code(t)
	beijing := time.FixedZone("CST", 8*3600)
	return ticketpdf.Page{
		Number: "4F7K2M9QX8TB", Train: "G1", From: "北京南", To: "上海虹桥",
		Departure: time.Date(2030, 5, 1, 9, 0, 0, 0, beijing), Arrival: time.Date(2030, 5, 1, 13, 28, 0, 0, beijing),
		Class: "SECOND", Coach: "03", Seat: "12F", Passenger: "欧阳娜娜 Müller", Document: "11**************02",
		Price: "553.00 CNY", Code: symbol, CodeText: text,
	}
}

func write(t *testing.T, b []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ticket.pdf")
	require.NoError(t, os.WriteFile(file, b, 0o600))
	return file
}

// textOf is the text of a PDF, as another program reads it.
func textOf(t *testing.T, b []byte) string {
	t.Helper()
	pdftotext := tool(t, "pdftotext", "poppler-utils")
	out, err := exec.CommandContext(t.Context(), pdftotext, "-layout", write(t, b), "-").Output()
	require.NoError(t, err)
	return string(out)
}

// TestPrint_IsReadByOthers has other programs read the text, and the code in the picture.
func TestPrint_IsReadByOthers(t *testing.T) {
	p := printer(t)
	one := page(t)
	for language, title := range map[string]string{"zh": "车票", "en": "Train ticket", "fr": "Train ticket"} {
		b, err := p.Print(language, []ticketpdf.Page{one})
		require.NoError(t, err)
		require.Less(t, len(b), 30_000, "the font is not embedded whole")
		text := textOf(t, b)
		for _, want := range []string{
			title, "北京南", "上海虹桥", "欧阳娜娜", "Müller", "09:00", "13:28", "2030-05-01", "03", "12F", "553.00 CNY",
			"4F7K2M9QX8TB", "11**************02", one.CodeText[:5],
		} {
			require.Contains(t, text, want)
		}
	}
	b, err := p.Print("zh", []ticketpdf.Page{one})
	require.NoError(t, err)
	picture := pictureOf(t, b)
	keep(t, "poppler.png", picture)
	// A scanner is held in front of the code.
	require.Equal(t, one.CodeText, decode(t, part(picture, picture.Bounds(), 128, 26, 206, 97)))
}

// TestPrint_LooksTheSame compares a ticket with fonts cut here to one with fonts that the library has cut.
func TestPrint_LooksTheSame(t *testing.T) {
	one := page(t)
	one.Passenger, one.From = "Ελένη Žižek Ǻ 王秀英", "Łódź 上海虹桥"
	p, whole := printer(t), printer(t)
	whole.Whole()
	cut, err := p.Print("zh", []ticketpdf.Page{one})
	require.NoError(t, err)
	other, err := whole.Print("zh", []ticketpdf.Page{one})
	require.NoError(t, err)
	require.Equal(t, textOf(t, other), textOf(t, cut))
	require.Equal(t, pictureOf(t, other), pictureOf(t, cut))
}

// pictureOf is a PDF's first page as another program draws it.
func pictureOf(t *testing.T, b []byte) image.Image {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tool(t, "pdftoppm", "poppler-utils"), "-png", "-r", "200",
		write(t, b)).Output()
	require.NoError(t, err)
	picture, err := png.Decode(bytes.NewReader(out))
	require.NoError(t, err)
	return picture
}

// keep leaves a picture for a person to look at, in the folder TICKET_PICTURES.
func keep(t *testing.T, name string, picture image.Image) {
	t.Helper()
	folder := os.Getenv("TICKET_PICTURES")
	if folder == "" {
		return
	}
	f, err := os.Create(filepath.Join(folder, name))
	require.NoError(t, err)
	require.NoError(t, png.Encode(f, picture))
	require.NoError(t, f.Close())
}

// decode reads the code in a picture.
func decode(t *testing.T, picture image.Image) string {
	t.Helper()
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	require.NoError(t, err)
	read, err := aztecreader.NewAztecReader().Decode(bitmap, nil)
	require.NoError(t, err)
	return read.GetText()
}

// TestPrint_SameBytes prints the same at other times, and by one Printer in several goroutines.
func TestPrint_SameBytes(t *testing.T) {
	p := printer(t)
	one := page(t)
	for name, pages := range map[string][]ticketpdf.Page{
		"two": {one, one}, "without times": {{Passenger: "王", Seat: "1A"}},
	} {
		first, err := p.Print("zh", pages)
		require.NoError(t, err)
		require.False(t, bytes.Contains(first, []byte(time.Now().UTC().Format("D:2006"))), name)
		var all sync.WaitGroup
		again := make([][]byte, 4)
		for i := range again {
			all.Go(func() { again[i], _ = p.Print("zh", pages) })
		}
		all.Wait()
		for _, b := range again {
			require.True(t, bytes.Equal(first, b), name)
		}
	}
}

// TestPrint_Refuses what is no order's, and what is no symbol.
func TestPrint_Refuses(t *testing.T) {
	p := &ticketpdf.Printer{}
	for want, pages := range map[string][]ticketpdf.Page{
		"1 to 9 tickets, not 0":             nil,
		"1 to 9 tickets, not 10":            make([]ticketpdf.Page, 10),
		"1 to 200 modules a side, not 0 by": {{Code: image.NewGray(image.Rectangle{})}},
		"modules a side, not 201 by 1":      {{}, {Code: image.NewGray(image.Rect(0, 0, 201, 1))}},
	} {
		_, err := p.Print("zh", pages)
		require.ErrorContains(t, err, want)
	}
	nine, err := p.Print("en", make([]ticketpdf.Page, ticketpdf.MaxPages))
	require.NoError(t, err)
	require.Equal(t, 9, strings.Count(textOf(t, nine), "Train ticket"))
}

// TestPrint_WithoutFont prints boxes for what nothing can print, and all the rest. What the boxes stand for is there
// for who copies it.
func TestPrint_WithoutFont(t *testing.T) {
	p := &ticketpdf.Printer{}
	one := page(t)
	b, err := p.Print("zh", []ticketpdf.Page{one})
	require.NoError(t, err)
	text := textOf(t, b)
	for _, want := range []string{"Train ticket", "Müller", "09:00", "12F", "欧阳娜娜", "上海虹桥"} {
		require.Contains(t, text, want)
	}
	picture := pictureOf(t, b)
	require.Equal(t, one.CodeText, decode(t, part(picture, picture.Bounds(), 128, 26, 206, 97)))
}

// TestPrint_Scripts prints names of many scripts, and has the text of those that it can only print as boxes.
func TestPrint_Scripts(t *testing.T) {
	p := printer(t)
	for name, want := range map[string]string{
		"Łódź Fabryczna": "", "Nguyễn Thị Hằng": "", "Ελένη Παπαδοπούλου": "", "Ирина Щукина": "", "阿依古丽·买买提": "",
		"㛃䶮": "", "さくら": "", "O’Brien": "", "e\u0301": "é", "王\u200d五\n六": "王五 六", "\xff王": "\ufffd王", "a\u202eb": "ab",
		"𠮷野": "", "👩": "", "김민준": "", "สมชาย": "",
	} {
		if want == "" {
			want = name
		}
		b, err := p.Print("en", []ticketpdf.Page{{Passenger: name}})
		require.NoError(t, err)
		require.Contains(t, textOf(t, b), want)
	}
}

// fontsOf are the fonts that a PDF has, as another program lists them.
func fontsOf(t *testing.T, b []byte) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tool(t, "pdffonts", "poppler-utils"), write(t, b)).Output()
	require.NoError(t, err)
	return string(out)
}

// TestPrint_Embeds the fonts that are used. A script that cannot be printed letter by letter is in none.
func TestPrint_Embeds(t *testing.T) {
	p := printer(t)
	for text, want := range map[string]struct{ chinese, other bool }{
		"Müller": {}, "王": {chinese: true}, "Łódź Kaliska": {other: true}, "王 Łukasz": {chinese: true, other: true},
		"Ирина": {other: true}, "محمد": {}, "אברהם": {}, "สมชาย": {}, "𠮷": {}, "👩": {},
	} {
		b, err := p.Print("en", []ticketpdf.Page{{From: text}})
		require.NoError(t, err)
		fonts := fontsOf(t, b)
		require.Equal(t, want.chinese, strings.Contains(fonts, "embedded0"), text)
		require.Equal(t, want.other, strings.Contains(fonts, "embedded1"), text)
	}
	// No word is half in one font and half in another: Helvetica has Š, U+0160 or 352, and lacks ć.
	b, err := p.Print("en", []ticketpdf.Page{{From: "Šćepan"}})
	require.NoError(t, err)
	require.True(t, bytes.Contains(b, []byte(" 352 352 ")), "the font has no width of Š")
}

// TestPrint_AnyName prints whatever people are called.
func TestPrint_AnyName(t *testing.T) {
	p := printer(t)
	one := page(t)
	rapid.Check(t, func(t *rapid.T) {
		one.Passenger = rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"", "𠮷野家", "محمد", "אברהם", "Åsa Öz", "e\u0301", "👩\u200d👩\u200d👧", "\ufffd", "\u202e", "(a)\\", "ｱ",
			strings.Repeat("王", 64), strings.Repeat("W", 64), "Nguyễn", "Łukasz", "Ελένη", "Ирина",
		})).Draw(t, "name")
		one.From, one.Seat = one.Passenger, one.Passenger
		_, err := p.Print("zh", []ticketpdf.Page{one})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestNew_Refuses what is no font that can be embedded.
func TestNew_Refuses(t *testing.T) {
	printer(t)
	good, err := os.ReadFile(droid)
	require.NoError(t, err)
	folder := t.TempDir()
	const kind = "no font with TrueType outlines"
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"empty":      {nil, kind},
		"text":       {[]byte("no font"), kind},
		"cff":        {append([]byte("OTTO"), good[4:]...), kind},
		"collection": {append([]byte("ttcf"), good[4:]...), kind},
		"cut":        {good[:5000], "damaged"},
		"cut late":   {good[:len(good)/2], "damaged"},
		"huge":       {make([]byte, 64<<20+1), "longer than"},
	} {
		file := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(file, c.b, 0o600))
		_, err := ticketpdf.New(file)
		require.ErrorContains(t, err, file, name)
		require.ErrorContains(t, err, c.want, name)
	}
	_, err = ticketpdf.New(filepath.Join(folder, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = ticketpdf.New(folder)
	require.Error(t, err)
}

// TestNew_NamedFont is used before those in the usual places, which have what it lacks.
func TestNew_NamedFont(t *testing.T) {
	printer(t)
	p, err := ticketpdf.New(dejavu)
	require.NoError(t, err)
	require.True(t, p.HasFont(), "the usual places have Chinese")
	b, err := p.Print("zh", []ticketpdf.Page{{Passenger: "王 Łukasz"}})
	require.NoError(t, err)
	require.Contains(t, fontsOf(t, b), "embedded0")
	require.Contains(t, fontsOf(t, b), "embedded1")
}

// TestNew_DamagedFont prints all tickets with whatever font was taken.
func TestNew_DamagedFont(t *testing.T) {
	printer(t)
	good, err := os.ReadFile(dejavu)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "damaged.ttf")
	var refused int
	for seed := range uint64(24) {
		random := rand.New(rand.NewPCG(seed, 1))
		b := bytes.Clone(good)
		// The directory and the small tables are hit as often as the large ones.
		for range 1 + random.IntN(40) {
			b[random.IntN(min(len(b), 12<<random.IntN(18)))] = byte(random.Uint32())
		}
		require.NoError(t, os.WriteFile(file, b, 0o600))
		p, err := ticketpdf.New(file)
		if err != nil {
			require.ErrorContains(t, err, file)
			refused++
			continue
		}
		printed, err := p.Print("en", []ticketpdf.Page{{Passenger: "Łukasz Ελένη Ирина Nguyễn ǅ王", Seat: "12F"}})
		require.NoError(t, err, "seed %d", seed)
		require.Contains(t, textOf(t, printed), "12F", "seed %d", seed)
	}
	t.Logf("%d of 24 were refused", refused)
}
