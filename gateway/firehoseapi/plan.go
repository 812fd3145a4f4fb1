package firehoseapi

import (
	"fmt"
	"strings"

	"headgate/gateway/awsapi"
)

// buffer writes BufferingHints.
func (d *document) buffer(in awsapi.Input) {
	hints := in.Inner("BufferingHints")
	d.Size = fmt.Sprintf("%dMiB", hints.Int("SizeInMBs", 5))
	d.Interval = fmt.Sprintf("%ds", hints.Int("IntervalInSeconds", 300))
}

// unoffered refuses what any destination may ask for and this gateway would
// not do.
func unoffered(in awsapi.Input) error {
	switch {
	case in.Inner("CloudWatchLoggingOptions").Bool("Enabled"):
		return refused("CloudWatchLoggingOptions", "there is no CloudWatch here; headgate delivery list shows errors")
	case in.Inner("SecretsManagerConfiguration").Bool("Enabled"):
		return refused("SecretsManagerConfiguration", "say where the secret lies as file:NAME, env:HEADGATE_SECRET_NAME or credential:NAME")
	case in.Inner("EncryptionConfiguration").Has("KMSEncryptionConfig"):
		return refused("EncryptionConfiguration.KMSEncryptionConfig", "set the encryption of the bucket")
	case in.Has("VpcConfiguration"):
		return refused("VpcConfiguration", "it reaches what its network reaches")
	}
	switch mode := in.Text("S3BackupMode"); mode {
	case "Enabled", "AllDocuments", "AllEvents", "AllData":
		return refused("S3BackupMode "+mode, "make a second delivery of the same stream for a copy of everything")
	}
	return nil
}

func presetS3(in awsapi.Input) {
	fillInner(in, "BufferingHints", "SizeInMBs", int64(5))
	fillInner(in, "BufferingHints", "IntervalInSeconds", int64(300))
	fill(in, "CompressionFormat", "UNCOMPRESSED")
	fill(in, "EncryptionConfiguration", awsapi.Input{"NoEncryptionConfig": "NoEncryption"})
	fillInner(in, "CloudWatchLoggingOptions", "Enabled", false)
}

// presetRest is what all destinations but a bare bucket have.
func presetRest(in awsapi.Input, backup string) {
	fillInner(in, "CloudWatchLoggingOptions", "Enabled", false)
	fillInner(in, "ProcessingConfiguration", "Enabled", false)
	fill(in, "S3BackupMode", backup)
	if s3 := in.Inner("S3Configuration"); s3 != nil {
		presetS3(s3)
	}
	if s3 := in.Inner("S3BackupConfiguration"); s3 != nil {
		presetS3(s3)
	}
}

func presetExtended(in awsapi.Input) {
	presetS3(in)
	presetRest(in, "Disabled")
}

// bucketOf reads a bucket, which is whole only with what unoffered says.
func bucketOf(in awsapi.Input) (*bucket, error) {
	if err := unoffered(in); err != nil {
		return nil, err
	}
	arn := in.Text("BucketARN")
	return &bucket{Bucket: arn[strings.LastIndex(arn, ":")+1:]}, nil
}

// compressionOf is a bucket's CompressionFormat in the gateway's words.
func compressionOf(in awsapi.Input) string {
	names := map[string]string{"GZIP": "gzip", "ZIP": "zip", "Snappy": "snappy", "HADOOP_SNAPPY": "hadoop_snappy"}
	if name, ok := names[in.Text("CompressionFormat")]; ok {
		return name
	}
	return "none"
}

func planS3(in awsapi.Input, d *document) (err error) {
	if d.S3, err = bucketOf(in); err != nil {
		return err
	}
	d.buffer(in)
	d.Compression = compressionOf(in)
	d.Prefix, d.ErrorPrefix = in.Text("Prefix"), in.Text("ErrorOutputPrefix")
	return d.process(in)
}

func planExtended(in awsapi.Input, d *document) error {
	conversion := in.Inner("DataFormatConversionConfiguration")
	switch {
	case conversion != nil && (!conversion.Has("Enabled") || conversion.Bool("Enabled") || len(conversion) > 1):
		return refused("DataFormatConversionConfiguration", "records are delivered as they are in this build")
	case in.Has("CustomTimeZone") && in.Text("CustomTimeZone") != "UTC":
		return refused("CustomTimeZone "+in.Text("CustomTimeZone"), "prefixes are in UTC")
	case in.Has("S3BackupConfiguration"):
		return refused("S3BackupConfiguration", "make a second delivery of the same stream for a copy of everything")
	}
	// Keys in the prefix and dynamic partitioning go together ("Partition
	// streaming data", Firehose developer guide).
	if parts := in.Inner("DynamicPartitioningConfiguration").Bool("Enabled"); parts != strings.Contains(in.Text("Prefix"), "!{partitionKeyFrom") {
		return invalid("Dynamic partitioning and !{partitionKeyFromQuery:…} or !{partitionKeyFromLambda:…} in the Prefix go together.")
	}
	d.Extension = in.Text("FileExtension")
	return planS3(in, d)
}

func presetHTTP(in awsapi.Input) {
	fillInner(in, "BufferingHints", "SizeInMBs", int64(5))
	fillInner(in, "BufferingHints", "IntervalInSeconds", int64(300))
	fillInner(in, "RetryOptions", "DurationInSeconds", int64(300))
	fillInner(in, "RequestConfiguration", "ContentEncoding", "NONE")
	presetRest(in, "FailedDataOnly")
}

func planHTTP(in awsapi.Input, d *document) error {
	if err := backed(in, d); err != nil {
		return err
	}
	to, request := in.Inner("EndpointConfiguration"), in.Inner("RequestConfiguration")
	key, err := reference("EndpointConfiguration.AccessKey", to.Text("AccessKey"))
	if err != nil {
		return err
	}
	d.HTTP = &endpoint{URL: to.Text("Url"), Name: to.Text("Name"), AccessKey: key, Encoding: strings.ToLower(request.Text("ContentEncoding"))}
	for _, one := range request.List("CommonAttributes") {
		if d.HTTP.Attributes == nil {
			d.HTTP.Attributes = map[string]string{}
		}
		attribute, _ := one.(awsapi.Input)
		d.HTTP.Attributes[attribute.Text("AttributeName")] = attribute.Text("AttributeValue")
	}
	return nil
}

// planned is what all destinations with a bucket beside them share: buffering,
// processing, and that bucket.
func planned(in awsapi.Input, d *document) (*bucket, error) {
	if err := unoffered(in); err != nil {
		return nil, err
	}
	d.buffer(in)
	if err := d.process(in); err != nil {
		return nil, err
	}
	return bucketOf(in.Inner("S3Configuration"))
}

// backed is what destinations of single records share: what they refuse goes
// to the bucket beside them.
func backed(in awsapi.Input, d *document) (err error) {
	if d.Backup, err = planned(in, d); err != nil {
		return err
	}
	d.Retry = fmt.Sprintf("%ds", in.Inner("RetryOptions").Int("DurationInSeconds", 300))
	s3 := in.Inner("S3Configuration")
	d.Compression, d.Prefix, d.ErrorPrefix = compressionOf(s3), s3.Text("Prefix"), s3.Text("ErrorOutputPrefix")
	return nil
}

func presetSplunk(in awsapi.Input) {
	fillInner(in, "BufferingHints", "SizeInMBs", int64(5))
	fillInner(in, "BufferingHints", "IntervalInSeconds", int64(60))
	fillInner(in, "RetryOptions", "DurationInSeconds", int64(300))
	fill(in, "HECAcknowledgmentTimeoutInSeconds", int64(180))
	presetRest(in, "FailedEventsOnly")
}

func planSplunk(in awsapi.Input, d *document) error {
	if err := backed(in, d); err != nil {
		return err
	}
	token, err := reference("HECToken", in.Text("HECToken"))
	if err != nil {
		return err
	}
	if token == nil {
		return invalid("HECToken must be given.")
	}
	d.Splunk = &collector{URL: in.Text("HECEndpoint"), Token: token, Endpoint: strings.ToLower(in.Text("HECEndpointType")),
		AckTimeout: fmt.Sprintf("%ds", in.Int("HECAcknowledgmentTimeoutInSeconds", 180))}
	return nil
}

func presetSearch(in awsapi.Input) {
	fillInner(in, "BufferingHints", "SizeInMBs", int64(5))
	fillInner(in, "BufferingHints", "IntervalInSeconds", int64(300))
	fillInner(in, "RetryOptions", "DurationInSeconds", int64(300))
	fillInner(in, "DocumentIdOptions", "DefaultDocumentIdFormat", "FIREHOSE_DEFAULT")
	fill(in, "IndexRotationPeriod", "OneDay")
	presetRest(in, "FailedDocumentsOnly")
}

func planSearch(in awsapi.Input, d *document) error {
	if err := backed(in, d); err != nil {
		return err
	}
	switch {
	case in.Has("DomainARN"):
		return refused("DomainARN", "name the domain's address in ClusterEndpoint")
	case in.Text("ClusterEndpoint") == "":
		return invalid("ClusterEndpoint must be given.")
	case in.Text("TypeName") != "":
		return refused("TypeName", "servers since Elasticsearch 7 have no types")
	}
	rotation := map[string]string{"NoRotation": "none", "OneHour": "hour", "OneDay": "day", "OneWeek": "week", "OneMonth": "month"}
	ids := map[string]string{"FIREHOSE_DEFAULT": "own", "NO_DOCUMENT_ID": "none"}
	d.OpenSearch = &index{URL: in.Text("ClusterEndpoint"), Index: in.Text("IndexName"), Rotation: rotation[in.Text("IndexRotationPeriod")],
		DocumentIDs: ids[in.Inner("DocumentIdOptions").Text("DefaultDocumentIdFormat")]}
	return nil
}

func presetRedshift(in awsapi.Input) {
	fillInner(in, "RetryOptions", "DurationInSeconds", int64(3600))
	presetRest(in, "Disabled")
}

func planRedshift(in awsapi.Input, d *document) error {
	stage, err := planned(in, d)
	if err != nil {
		return err
	}
	d.buffer(in.Inner("S3Configuration"))
	if in.Has("S3BackupConfiguration") {
		return refused("S3BackupConfiguration", "make a second delivery of the same stream for a copy of everything")
	}
	address, database, ok := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(in.Text("ClusterJDBCURL"), "jdbc:redshift://"), "jdbc:postgresql://"), "/")
	if !ok || strings.HasPrefix(address, "jdbc:") || !strings.Contains(address, ":") || database == "" {
		return invalid("Invalid ClusterJDBCURL: jdbc:redshift://HOST:PORT/DATABASE is wanted.")
	}
	password, err := reference("Password", in.Text("Password"))
	if err != nil {
		return err
	}
	if password == nil || in.Text("Username") == "" {
		return invalid("Username and Password must be given.")
	}
	copying := in.Inner("CopyCommand")
	d.Redshift = &redshiftIn{Address: address, Database: database, Table: copying.Text("DataTableName"), Columns: copying.Text("DataTableColumns"),
		Options: copying.Text("CopyOptions"), Role: in.Text("RoleARN"), Username: in.Text("Username"), Password: password, Stage: stage}
	d.Prefix = in.Inner("S3Configuration").Text("Prefix")
	return nil
}
