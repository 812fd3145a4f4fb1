package firehoseapi

import "headgate/gateway/awsapi"

// The members of destination configurations (API reference of Firehose,
// *DestinationConfiguration). What stands here is stored and returned; what
// does not is refused by name.

func loggingOptions() awsapi.Field {
	return structure("CloudWatchLoggingOptions", boolean("Enabled"), text("LogGroupName"), text("LogStreamName"))
}

func processing() awsapi.Field {
	return structure("ProcessingConfiguration", boolean("Enabled"), list("Processors", structure("",
		need(text("Type", awsapi.OneOf("RecordDeAggregation", "Decompression", "CloudWatchLogProcessing", "Lambda", "MetadataExtraction", "AppendDelimiterToRecord"))),
		list("Parameters", structure("", need(text("ParameterName")), need(text("ParameterValue", awsapi.Longest(5120)))))),
	))
}

func buffering(mostMB, mostSeconds int64) awsapi.Field {
	return structure("BufferingHints", integer("SizeInMBs", 1, mostMB), integer("IntervalInSeconds", 0, mostSeconds))
}

func retry() awsapi.Field {
	return structure("RetryOptions", integer("DurationInSeconds", 0, 7200))
}

func secretsManager() awsapi.Field {
	return structure("SecretsManagerConfiguration", boolean("Enabled"), text("RoleARN"), text("SecretARN"))
}

func backupMode(values ...string) awsapi.Field { return text("S3BackupMode", awsapi.OneOf(values...)) }

// s3Members are those of S3DestinationConfiguration.
func s3Members() []awsapi.Field {
	return []awsapi.Field{
		need(role("RoleARN")),
		need(text("BucketARN", awsapi.Pattern(`arn:.*:s3:::[\w\.\-]{1,255}`), awsapi.Shortest(1), awsapi.Longest(2048))),
		text("Prefix", awsapi.Longest(1024)), text("ErrorOutputPrefix", awsapi.Longest(1024)), buffering(128, 900),
		text("CompressionFormat", awsapi.OneOf("UNCOMPRESSED", "GZIP", "ZIP", "Snappy", "HADOOP_SNAPPY")),
		structure("EncryptionConfiguration", text("NoEncryptionConfig", awsapi.OneOf("NoEncryption")), structure("KMSEncryptionConfig", text("AWSKMSKeyARN"))),
		loggingOptions(),
	}
}

func extendedMembers() []awsapi.Field {
	return append(s3Members(), processing(), backupMode("Disabled", "Enabled"), structure("S3BackupConfiguration", s3Members()...),
		structure("DataFormatConversionConfiguration", boolean("Enabled"), opaque("InputFormatConfiguration"), opaque("OutputFormatConfiguration"), opaque("SchemaConfiguration")),
		structure("DynamicPartitioningConfiguration", boolean("Enabled"), retry()),
		text("FileExtension", awsapi.Pattern(`$|\.[0-9a-z!\-_.*'()]+`), awsapi.Longest(50)), text("CustomTimeZone", awsapi.Longest(50)))
}

func redshiftMembers() []awsapi.Field {
	return []awsapi.Field{
		need(role("RoleARN")), need(text("ClusterJDBCURL", awsapi.Shortest(1), awsapi.Longest(512))),
		need(structure("CopyCommand", need(text("DataTableName", awsapi.Shortest(1), awsapi.Longest(512))), text("DataTableColumns", awsapi.Longest(204800)), text("CopyOptions", awsapi.Longest(204800)))),
		text("Username", awsapi.Shortest(1), awsapi.Longest(512)), text("Password", awsapi.Shortest(6), awsapi.Longest(512)), retry(),
		need(structure("S3Configuration", s3Members()...)), processing(), backupMode("Disabled", "Enabled"),
		structure("S3BackupConfiguration", s3Members()...), loggingOptions(), secretsManager(),
	}
}

func searchMembers() []awsapi.Field {
	return []awsapi.Field{
		need(role("RoleARN")), text("DomainARN"), text("ClusterEndpoint", awsapi.Pattern(`https?:.*`), awsapi.Shortest(1), awsapi.Longest(512)),
		need(text("IndexName", awsapi.Shortest(1), awsapi.Longest(80))), text("TypeName", awsapi.Longest(100)),
		text("IndexRotationPeriod", awsapi.OneOf("NoRotation", "OneHour", "OneDay", "OneWeek", "OneMonth")), buffering(100, 900), retry(),
		backupMode("FailedDocumentsOnly", "AllDocuments"), need(structure("S3Configuration", s3Members()...)), processing(), loggingOptions(),
		opaque("VpcConfiguration"),
		structure("DocumentIdOptions", need(text("DefaultDocumentIdFormat", awsapi.OneOf("FIREHOSE_DEFAULT", "NO_DOCUMENT_ID")))),
	}
}

func splunkMembers() []awsapi.Field {
	return []awsapi.Field{
		need(text("HECEndpoint", awsapi.Longest(2048))), need(text("HECEndpointType", awsapi.OneOf("Raw", "Event"))), text("HECToken", awsapi.Longest(2048)),
		integer("HECAcknowledgmentTimeoutInSeconds", 180, 600), retry(), backupMode("FailedEventsOnly", "AllEvents"),
		need(structure("S3Configuration", s3Members()...)), processing(), loggingOptions(), buffering(5, 60), secretsManager(),
	}
}

func httpMembers() []awsapi.Field {
	return []awsapi.Field{
		need(structure("EndpointConfiguration", need(text("Url", awsapi.Pattern(`https?://.*`), awsapi.Shortest(1), awsapi.Longest(1000))),
			text("Name", awsapi.Longest(256)), text("AccessKey", awsapi.Longest(4096)))),
		buffering(64, 900), loggingOptions(), processing(), role("RoleARN"), retry(), backupMode("FailedDataOnly", "AllData"),
		structure("RequestConfiguration", text("ContentEncoding", awsapi.OneOf("NONE", "GZIP")),
			list("CommonAttributes", structure("", need(text("AttributeName", awsapi.Shortest(1), awsapi.Longest(256))), need(text("AttributeValue", awsapi.Longest(1024)))), awsapi.Longest(50))),
		need(structure("S3Configuration", s3Members()...)), secretsManager(),
	}
}

// loose is the members of an update: nothing must be there, and the buckets
// have other names. The rules are kept by what comes of the update.
func loose(members []awsapi.Field) []awsapi.Field {
	all := make([]awsapi.Field, len(members))
	for i, f := range members {
		f.Rules = nil
		switch f.Name {
		case "S3Configuration":
			f.Name, f.Fields = "S3Update", loose(f.Fields)
		case "S3BackupConfiguration":
			f.Name, f.Fields = "S3BackupUpdate", loose(f.Fields)
		}
		all[i] = f
	}
	return all
}

// unknown is the path of the first member that fields do not name, "" when
// they name all.
func unknown(given map[string]any, fields []awsapi.Field, path string) string {
	byName := make(map[string]*awsapi.Field, len(fields))
	for i := range fields {
		byName[fields[i].Name] = &fields[i]
	}
	for name, value := range given {
		f := byName[name]
		if value == nil {
			continue
		}
		if f == nil {
			return path + name
		}
		if bad := unknownIn(value, f, path+name); bad != "" {
			return bad
		}
	}
	return ""
}

func unknownIn(value any, f *awsapi.Field, path string) string {
	switch v := value.(type) {
	case map[string]any:
		if f.Type == awsapi.Structure && len(f.Fields) > 0 {
			return unknown(v, f.Fields, path+".")
		}
	case []any:
		for _, one := range v {
			if bad := unknownIn(one, f.Of, path); bad != "" {
				return bad
			}
		}
	}
	return ""
}
