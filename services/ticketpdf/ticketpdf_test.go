package ticketpdf_test

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// printer has a font for Chinese.
func printer(t *testing.T) *ticketpdf.Printer {
	t.Helper()
	p, err := ticketpdf.New("")
	require.NoError(t, err)
	if !p.HasFont() {
		missing(t, "there is no font with Chinese (fonts-droid-fallback)")
	}
	return p
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("INTERLOCK_REQUIRE_SERVERS") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name+" is not installed (poppler-utils)")
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
	out, err := exec.CommandContext(t.Context(), tool(t, "pdftotext"), "-layout", write(t, b), "-").Output()
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
		require.Less(t, len(b), 100_000, "the font is not embedded whole")
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
	out, err := exec.CommandContext(t.Context(), tool(t, "pdftoppm"), "-png", "-r", "200", write(t, b)).Output()
	require.NoError(t, err)
	if keep := os.Getenv("TICKET_PNG"); keep != "" {
		require.NoError(t, os.WriteFile(keep, out, 0o600))
	}
	picture, err := png.Decode(bytes.NewReader(out))
	require.NoError(t, err)
	bounds := picture.Bounds()
	// A scanner is held in front of the code: the right half.
	half := picture.(interface {
		SubImage(image.Rectangle) image.Image
	}).SubImage(image.Rect(bounds.Dx()*6/10, bounds.Dy()/6, bounds.Dx(), bounds.Dy()*2/3))
	bitmap, err := gozxing.NewBinaryBitmapFromImage(half)
	require.NoError(t, err)
	read, err := aztecreader.NewAztecReader().Decode(bitmap, nil)
	require.NoError(t, err)
	require.Equal(t, one.CodeText, read.GetText())
}

// TestPrint_SameBytes prints the same twice.
func TestPrint_SameBytes(t *testing.T) {
	p := printer(t)
	one := page(t)
	first, err := p.Print("zh", []ticketpdf.Page{one, one})
	require.NoError(t, err)
	second, err := p.Print("zh", []ticketpdf.Page{one, one})
	require.NoError(t, err)
	require.Equal(t, first, second)
	_, err = p.Print("zh", nil)
	require.Error(t, err)
	_, err = p.Print("zh", make([]ticketpdf.Page, 10))
	require.Error(t, err)
}

// TestPrint_WithoutFont prints boxes for what nothing can print, and all the rest.
func TestPrint_WithoutFont(t *testing.T) {
	p := &ticketpdf.Printer{}
	one := page(t)
	b, err := p.Print("zh", []ticketpdf.Page{one})
	require.NoError(t, err)
	text := textOf(t, b)
	for _, want := range []string{"Train ticket", "Müller", "09:00", "12F"} {
		require.Contains(t, text, want)
	}
}

// TestPrint_AnyName prints whatever people are called.
func TestPrint_AnyName(t *testing.T) {
	p := printer(t)
	one := page(t)
	rapid.Check(t, func(t *rapid.T) {
		one.Passenger = rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"", "𠮷野家", "محمد", "אברהם", "Åsa Öz", "e\u0301", "👩\u200d👩\u200d👧", "\ufffd", "\u202e", "(a)\\", "ｱ", strings.Repeat("王", 64),
			strings.Repeat("W", 64), "Nguyễn", "Łukasz", "Ελένη", "Ирина",
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
	good, err := os.ReadFile("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf")
	if err != nil {
		missing(t, "there is no font with Chinese (fonts-droid-fallback)")
	}
	folder := t.TempDir()
	for name, b := range map[string][]byte{
		"empty": {}, "text": []byte("no font"), "cff": append([]byte("OTTO"), good[4:1000]...),
		"collection": append([]byte("ttcf"), good[4:1000]...), "cut": good[:5000], "cut late": good[:len(good)/2],
	} {
		file := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(file, b, 0o600))
		_, err := ticketpdf.New(file)
		require.ErrorContains(t, err, file, name)
	}
	_, err = ticketpdf.New(filepath.Join(folder, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
