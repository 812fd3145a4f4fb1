package cloudwatchapi_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"

	"headgate/gateway/awsapi"
	"headgate/gateway/cloudwatchapi"
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// open serves the API with one key, which the SDK's client has.
func open(t *testing.T) (api *cloudwatchapi.API, c *clock, client *cloudwatch.Client, url string) {
	t.Helper()
	c = &clock{time.Now()}
	api = cloudwatchapi.New(c.now)
	door, err := awsapi.New(awsapi.Config{Services: []awsapi.Service{api.Service()}, Keys: keys{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(door)
	t.Cleanup(server.Close)
	return api, c, cloudwatch.New(cloudwatch.Options{Region: "eu-central-1", BaseEndpoint: &server.URL, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret-of-the-key", "")}), server.URL
}

type keys struct{}

func (keys) Secret(id string) (string, bool) { return "secret-of-the-key", id == "AKIDEXAMPLE" }

func told(api *cloudwatchapi.API) map[cloudwatchapi.Name]cloudwatchapi.Sums {
	all := map[cloudwatchapi.Name]cloudwatchapi.Sums{}
	api.Samples(func(n cloudwatchapi.Name, s cloudwatchapi.Sums) { all[n] = s })
	return all
}

// TestTheSDK tells all kinds of values, in Smithy's RPC v2, signed and, as
// there are many, compressed.
func TestTheSDK(t *testing.T) {
	api, clock, k, _ := open(t)
	in := &cloudwatch.PutMetricDataInput{Namespace: aws.String("app"), MetricData: []types.MetricDatum{
		{MetricName: aws.String("Behind"), Value: aws.Float64(3), Unit: types.StandardUnitMilliseconds, Timestamp: aws.Time(time.Now()),
			Dimensions: []types.Dimension{{Name: aws.String("Shard"), Value: aws.String("7")}, {Name: aws.String("Operation"), Value: aws.String("read")}}},
		{MetricName: aws.String("Read"), StatisticValues: &types.StatisticSet{SampleCount: aws.Float64(4), Sum: aws.Float64(10), Minimum: aws.Float64(1), Maximum: aws.Float64(5)}},
		{MetricName: aws.String("Size"), Values: []float64{1.5, 2}, Counts: []float64{2, 3}},
	}}
	for i := range 400 { // more than ten thousand bytes: the SDK compresses them
		in.MetricData = append(in.MetricData, types.MetricDatum{MetricName: aws.String(fmt.Sprint("Many", i)), Value: aws.Float64(1)})
	}
	for range 2 {
		if _, err := k.PutMetricData(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	all := told(api)
	for name, want := range map[cloudwatchapi.Name]cloudwatchapi.Sums{
		{Namespace: "app", Metric: "Behind", Unit: "Milliseconds", Dimensions: "Operation=read,Shard=7"}: {Sum: 6, Count: 2, Least: 3, Most: 3},
		{Namespace: "app", Metric: "Read", Unit: "None"}:                                                 {Sum: 20, Count: 8, Least: 1, Most: 5},
		{Namespace: "app", Metric: "Size", Unit: "None"}:                                                 {Sum: 18, Count: 10, Least: 1.5, Most: 2},
	} {
		if all[name] != want {
			t.Errorf("%+v: %+v, want %+v", name, all[name], want)
		}
	}
	if len(all) != 403 {
		t.Errorf("%d series", len(all))
	}
	clock.at = clock.at.Add(2 * time.Hour)
	if all := told(api); len(all) != 0 {
		t.Errorf("%d series are still told of", len(all))
	}
}

func TestDataThatAreRefused(t *testing.T) {
	api, _, k, _ := open(t)
	one := types.MetricDatum{MetricName: aws.String("x"), Value: aws.Float64(1)}
	for _, c := range []struct {
		in   cloudwatch.PutMetricDataInput
		code string
	}{
		{cloudwatch.PutMetricDataInput{Namespace: aws.String("AWS/Kinesis"), MetricData: []types.MetricDatum{one}}, "InvalidParameterValue"},
		{cloudwatch.PutMetricDataInput{Namespace: aws.String("app")}, "MissingRequiredParameter"},
		{cloudwatch.PutMetricDataInput{Namespace: aws.String("app"), MetricData: []types.MetricDatum{one, {MetricName: aws.String("x")}}}, "InvalidParameterCombination"},
		{cloudwatch.PutMetricDataInput{Namespace: aws.String("app"), MetricData: []types.MetricDatum{{MetricName: aws.String("x"), Values: []float64{1}, Counts: []float64{1, 2}}}}, "InvalidParameterCombination"},
		{cloudwatch.PutMetricDataInput{Namespace: aws.String("app"), MetricData: []types.MetricDatum{{MetricName: aws.String("x"), Value: aws.Float64(1e200)}}}, "InvalidParameterValue"},
		{cloudwatch.PutMetricDataInput{Namespace: aws.String("app"), MetricData: make([]types.MetricDatum, 1001)}, "InvalidParameterValue"},
	} {
		for i := range c.in.MetricData {
			if c.in.MetricData[i].MetricName == nil {
				c.in.MetricData[i] = one
			}
		}
		_, err := k.PutMetricData(t.Context(), &c.in)
		var e smithy.APIError
		if !errors.As(err, &e) || strings.TrimSuffix(e.ErrorCode(), "Exception") != c.code {
			t.Errorf("%v, want %s", err, c.code)
		}
	}
	if all := told(api); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

// TestOlderClients ask by the query protocol, or in JSON, and are answered so.
func TestOlderClients(t *testing.T) {
	api := cloudwatchapi.New(time.Now)
	door, err := awsapi.New(awsapi.Config{Services: []awsapi.Service{api.Service()}, Open: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(door)
	t.Cleanup(server.Close)
	form := "Action=PutMetricData&Version=2010-08-01&Namespace=app&MetricData.member.1.MetricName=Read&MetricData.member.1.Value=2.5&MetricData.member.1.Timestamp=2026-01-02T03:04:05Z" +
		"&MetricData.member.1.Dimensions.member.1.Name=Shard&MetricData.member.1.Dimensions.member.1.Value=a%26b" +
		"&MetricData.member.2.MetricName=Size&MetricData.member.2.Values.member.1=1&MetricData.member.2.Values.member.2=3"
	const typeForm, typeJSON = "application/x-www-form-urlencoded; charset=utf-8", "application/x-amz-json-1.0"
	ask := func(body, content, encoding string, status int, want string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, server.URL, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", content)
		r.Header.Set("Content-Encoding", encoding)
		if content == typeJSON {
			r.Header.Set("X-Amz-Target", "GraniteServiceVersion20100801.PutMetricData")
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != status || !strings.Contains(string(text), want) {
			t.Errorf("%.200s\n%d %s %v, want %d %s", body, answer.StatusCode, text, err, status, want)
		}
	}
	ask(form, typeForm, "", 200, `<PutMetricDataResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><ResponseMetadata><RequestId>`)
	ask(zipped(t, form), typeForm, "gzip", 200, "<PutMetricDataResponse")
	ask(`{"Namespace":"app","MetricData":[{"MetricName":"Read","Value":1,"Dimensions":[{"Name":"Shard","Value":"a&b"}]}]}`, typeJSON, "", 200, "")
	ask(strings.Replace(form, "2.5", "much", 1), typeForm, "", 400, "<Error><Type>Sender</Type><Code>MalformedInput</Code><Message>MetricData.member.1.Value:")
	ask(strings.Replace(form, "2.5", "NaN", 1), typeForm, "", 400, "MalformedInput")
	ask(strings.Replace(form, "app", "AWS/x", 1), typeForm, "", 400, "<Code>InvalidParameterValue</Code>")
	ask(strings.Replace(form, "PutMetricData", "GetMetricData", 1), typeForm, "", 403, "AccessDeniedException")
	ask("no gzip", typeForm, "gzip", 400, "SerializationException")
	ask(zipped(t, "Action=PutMetricData&Version=2010-08-01&"+strings.Repeat("x", 5<<20)), typeForm, "gzip", 413, "")
	all := told(api)
	if read := all[cloudwatchapi.Name{Namespace: "app", Metric: "Read", Unit: "None", Dimensions: "Shard=a&b"}]; read != (cloudwatchapi.Sums{Sum: 6, Count: 3, Least: 1, Most: 2.5}) {
		t.Errorf("%+v", all)
	}
	if size := all[cloudwatchapi.Name{Namespace: "app", Metric: "Size", Unit: "None"}]; size != (cloudwatchapi.Sums{Sum: 8, Count: 4, Least: 1, Most: 3}) {
		t.Errorf("%+v", all)
	}
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestRoom is bounded: by series, and by the bytes of their names.
func TestRoom(t *testing.T) {
	api, _, k, _ := open(t)
	for i := range 300 {
		in := &cloudwatch.PutMetricDataInput{Namespace: aws.String("app")}
		for j := range 10 {
			long := strings.Repeat("x", 100*(i%2)) + fmt.Sprint(i, " ", j)
			in.MetricData = append(in.MetricData, types.MetricDatum{MetricName: &long, Value: aws.Float64(1)})
		}
		if _, err := k.PutMetricData(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if n, lost := len(told(api)), api.Lost(); n != 2000 || lost != 1000 {
		t.Errorf("%d series, %d data lost", n, lost)
	}
}
