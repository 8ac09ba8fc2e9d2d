package load

import (
	"math/rand/v2"
	"strconv"
)

var (
	surnames = []string{
		"王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "郭", "何", "林", "高", "罗", "欧阳", "司马",
	}
	givens = []string{
		"伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "军", "洋", "勇", "艳", "杰", "娟", "涛", "明", "超", "秀英", "霞", "平", "刚", "桂英",
		"建国", "志强", "雨桐", "梓涵", "浩然", "子轩",
	}
)

// AppendName appends a made-up name.
func AppendName(b []byte, random *rand.Rand) []byte {
	b = append(b, surnames[random.IntN(len(surnames))]...)
	return append(b, givens[random.IntN(len(givens))]...)
}

// A document number is an area, a birthday, a serial and a check digit, as on a Chinese identity card. areas × days ×
// serials are all there are.
const (
	areas   = 64
	days    = 20_000
	serials = 1_000
	// stride has no factor in common with how many there are, so that counting by it meets each once before any twice.
	stride = 777_767_777
)

// AppendDocument appends the n-th made-up document number; no two of a billion are equal.
func AppendDocument(b []byte, n uint64) []byte {
	n = n % (areas * days * serials) * stride % (areas * days * serials)
	area, day, serial := n/(days*serials), n/serials%days, n%serials
	start := len(b)
	b = strconv.AppendUint(b, 110_000+area*101, 10)
	year, month, date := 1950+day/336, day%336/28+1, day%28+1
	b = strconv.AppendUint(b, year*10_000+month*100+date, 10)
	b = append(b, byte('0'+serial/100), byte('0'+serial/10%10), byte('0'+serial%10))
	weights := [...]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		sum += int(b[start+i]-'0') * w
	}
	return append(b, "10X98765432"[sum%11])
}
