//! What is an interface called, and what does its operation number mean?
//!
//! Facts from Microsoft's protocol documents (the name of each is in the list) and C706; names of operations as they stand there, with
//! gaps where a number is reserved. Interfaces that matter in Windows domains and plants; operations of those that attackers and
//! administrators use. Refuses to guess: what is not listed has its UUID and number only.

use super::Uuid;

/// A known interface.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) uuid: Uuid,
    pub(super) name: &'static str,
    /// Number of the first operation in `operations`: 3 where the object methods of COM come first.
    first: u16,
    operations: &'static [&'static str],
    /// Operations far behind the others.
    more: &'static [(u16, &'static str)],
}

impl Interface {
    /// The interface with this UUID.
    pub(super) fn of(uuid: Uuid) -> Option<&'static Self> {
        ALL.iter().find(|i| i.uuid == uuid)
    }

    /// The name of operation `opnum`.
    pub(super) fn operation(&self, opnum: u16) -> Option<&'static str> {
        let at = opnum.checked_sub(self.first).map(usize::from);
        let listed = at.and_then(|at| self.operations.get(at)).copied().filter(|name| !name.is_empty());
        listed.or_else(|| self.more.iter().find(|(n, _)| *n == opnum).map(|(_, name)| *name))
    }
}

const fn known(uuid: u128, name: &'static str, operations: &'static [&'static str]) -> Interface {
    Interface { uuid: Uuid(uuid.to_be_bytes()), name, first: 0, operations, more: &[] }
}

const fn com(uuid: u128, name: &'static str, operations: &'static [&'static str]) -> Interface {
    Interface { uuid: Uuid(uuid.to_be_bytes()), name, first: 3, operations, more: &[] }
}

const fn sparse(
    uuid: u128,
    name: &'static str,
    operations: &'static [&'static str],
    more: &'static [(u16, &'static str)],
) -> Interface {
    Interface { uuid: Uuid(uuid.to_be_bytes()), name, first: 0, operations, more }
}

/// The endpoint mapper (C706 appendix O).
pub(super) const EPMAPPER: Uuid = Uuid(0xe1af8308_5d1f_11c9_91a4_08002b14a0fa_u128.to_be_bytes());

#[rustfmt::skip] // one line an interface, its operations below it
static ALL: &[Interface] = &[
    known(0xe1af8308_5d1f_11c9_91a4_08002b14a0fa, "epmapper",
        &["ept_insert", "ept_delete", "ept_lookup", "ept_map", "ept_lookup_handle_free", "ept_inq_object", "ept_mgmt_delete"]),
    known(0xafa8bd80_7d8a_11c9_bef4_08002b102989, "mgmt",
        &["inq_if_ids", "inq_stats", "is_server_listening", "stop_server_listening", "inq_princ_name"]),
    // MS-SAMR
    sparse(0x12345778_1234_abcd_ef00_0123456789ac, "samr",
        &["SamrConnect", "SamrCloseHandle", "SamrSetSecurityObject", "SamrQuerySecurityObject", "", "SamrLookupDomainInSamServer",
          "SamrEnumerateDomainsInSamServer", "SamrOpenDomain", "SamrQueryInformationDomain", "SamrSetInformationDomain",
          "SamrCreateGroupInDomain", "SamrEnumerateGroupsInDomain", "SamrCreateUserInDomain", "SamrEnumerateUsersInDomain",
          "SamrCreateAliasInDomain", "SamrEnumerateAliasesInDomain", "SamrGetAliasMembership", "SamrLookupNamesInDomain",
          "SamrLookupIdsInDomain", "SamrOpenGroup", "SamrQueryInformationGroup", "SamrSetInformationGroup", "SamrAddMemberToGroup",
          "SamrDeleteGroup", "SamrRemoveMemberFromGroup", "SamrGetMembersInGroup", "SamrSetMemberAttributesOfGroup", "SamrOpenAlias",
          "SamrQueryInformationAlias", "SamrSetInformationAlias", "SamrDeleteAlias", "SamrAddMemberToAlias",
          "SamrRemoveMemberFromAlias", "SamrGetMembersInAlias", "SamrOpenUser", "SamrDeleteUser", "SamrQueryInformationUser",
          "SamrSetInformationUser", "SamrChangePasswordUser", "SamrGetGroupsForUser", "SamrQueryDisplayInformation",
          "SamrGetDisplayEnumerationIndex", "", "", "SamrGetUserDomainPasswordInformation", "SamrRemoveMemberFromForeignDomain",
          "SamrQueryInformationDomain2", "SamrQueryInformationUser2", "SamrQueryDisplayInformation2",
          "SamrGetDisplayEnumerationIndex2", "SamrCreateUser2InDomain", "SamrQueryDisplayInformation3",
          "SamrAddMultipleMembersToAlias", "SamrRemoveMultipleMembersFromAlias", "SamrOemChangePasswordUser2",
          "SamrUnicodeChangePasswordUser2", "SamrGetDomainPasswordInformation", "SamrConnect2", "SamrSetInformationUser2", "", "", "",
          "SamrConnect4", "", "SamrConnect5", "SamrRidToSid", "SamrSetDSRMPassword", "SamrValidatePassword"],
        &[(73, "SamrUnicodeChangePasswordUser4")]),
    // MS-LSAD, MS-LSAT
    known(0x12345778_1234_abcd_ef00_0123456789ab, "lsarpc",
        &["LsarClose", "LsarDelete", "LsarEnumeratePrivileges", "LsarQuerySecurityObject", "LsarSetSecurityObject", "", "LsarOpenPolicy",
          "LsarQueryInformationPolicy", "LsarSetInformationPolicy", "", "LsarCreateAccount", "LsarEnumerateAccounts",
          "LsarCreateTrustedDomain", "LsarEnumerateTrustedDomains", "LsarLookupNames", "LsarLookupSids", "LsarCreateSecret",
          "LsarOpenAccount", "LsarEnumeratePrivilegesAccount", "LsarAddPrivilegesToAccount", "LsarRemovePrivilegesFromAccount", "", "",
          "LsarGetSystemAccessAccount", "LsarSetSystemAccessAccount", "LsarOpenTrustedDomain", "LsarQueryInfoTrustedDomain",
          "LsarSetInformationTrustedDomain", "LsarOpenSecret", "LsarSetSecret", "LsarQuerySecret", "LsarLookupPrivilegeValue",
          "LsarLookupPrivilegeName", "LsarLookupPrivilegeDisplayName", "LsarDeleteObject", "LsarEnumerateAccountsWithUserRight",
          "LsarEnumerateAccountRights", "LsarAddAccountRights", "LsarRemoveAccountRights", "LsarQueryTrustedDomainInfo",
          "LsarSetTrustedDomainInfo", "LsarDeleteTrustedDomain", "LsarStorePrivateData", "LsarRetrievePrivateData", "LsarOpenPolicy2",
          "LsarGetUserName", "LsarQueryInformationPolicy2", "LsarSetInformationPolicy2", "LsarQueryTrustedDomainInfoByName",
          "LsarSetTrustedDomainInfoByName", "LsarEnumerateTrustedDomainsEx", "LsarCreateTrustedDomainEx", "",
          "LsarQueryDomainInformationPolicy", "LsarSetDomainInformationPolicy", "LsarOpenTrustedDomainByName", "", "LsarLookupSids2",
          "LsarLookupNames2", "LsarCreateTrustedDomainEx2", "", "", "", "", "", "", "", "", "LsarLookupNames3", "", "", "", "",
          "LsarQueryForestTrustInformation", "LsarSetForestTrustInformation", "", "LsarLookupSids3", "LsarLookupNames4"]),
    // MS-NRPC
    known(0x12345678_1234_abcd_ef00_01234567cffb, "netlogon",
        &["NetrLogonUasLogon", "NetrLogonUasLogoff", "NetrLogonSamLogon", "NetrLogonSamLogoff", "NetrServerReqChallenge",
          "NetrServerAuthenticate", "NetrServerPasswordSet", "NetrDatabaseDeltas", "NetrDatabaseSync", "NetrAccountDeltas",
          "NetrAccountSync", "NetrGetDCName", "NetrLogonControl", "NetrGetAnyDCName", "NetrLogonControl2", "NetrServerAuthenticate2",
          "NetrDatabaseSync2", "NetrDatabaseRedo", "NetrLogonControl2Ex", "NetrEnumerateTrustedDomains", "DsrGetDcName",
          "NetrLogonGetCapabilities", "NetrLogonSetServiceBits", "NetrLogonGetTrustRid", "NetrLogonComputeServerDigest",
          "NetrLogonComputeClientDigest", "NetrServerAuthenticate3", "DsrGetDcNameEx", "DsrGetSiteName", "NetrLogonGetDomainInfo",
          "NetrServerPasswordSet2", "NetrServerPasswordGet", "NetrLogonSendToSam", "DsrAddressToSiteNamesW", "DsrGetDcNameEx2",
          "NetrLogonGetTimeServiceParentDomain", "NetrEnumerateTrustedDomainsEx", "DsrAddressToSiteNamesExW", "DsrGetDcSiteCoverageW",
          "NetrLogonSamLogonEx", "DsrEnumerateDomainTrusts", "DsrDeregisterDnsHostRecords", "NetrServerTrustPasswordsGet",
          "DsrGetForestTrustInformation", "NetrGetForestTrustInformation", "NetrLogonSamLogonWithFlags", "NetrServerGetTrustInfo", "",
          "DsrUpdateReadOnlyServerDnsRecords", "NetrChainSetClientAttributes"]),
    // MS-SCMR
    sparse(0x367abb81_9844_35f1_ad32_98f038001003, "svcctl",
        &["RCloseServiceHandle", "RControlService", "RDeleteService", "RLockServiceDatabase", "RQueryServiceObjectSecurity",
          "RSetServiceObjectSecurity", "RQueryServiceStatus", "RSetServiceStatus", "RUnlockServiceDatabase", "RNotifyBootConfigStatus",
          "", "RChangeServiceConfigW", "RCreateServiceW", "REnumDependentServicesW", "REnumServicesStatusW", "ROpenSCManagerW",
          "ROpenServiceW", "RQueryServiceConfigW", "RQueryServiceLockStatusW", "RStartServiceW", "RGetServiceDisplayNameW",
          "RGetServiceKeyNameW", "", "RChangeServiceConfigA", "RCreateServiceA", "REnumDependentServicesA", "REnumServicesStatusA",
          "ROpenSCManagerA", "ROpenServiceA", "RQueryServiceConfigA", "RQueryServiceLockStatusA", "RStartServiceA",
          "RGetServiceDisplayNameA", "RGetServiceKeyNameA", "", "REnumServiceGroupW", "RChangeServiceConfig2A",
          "RChangeServiceConfig2W", "RQueryServiceConfig2A", "RQueryServiceConfig2W", "RQueryServiceStatusEx",
          "REnumServicesStatusExA", "REnumServicesStatusExW", "", "RCreateServiceWOW64A", "RCreateServiceWOW64W", "",
          "RNotifyServiceStatusChange", "RGetNotifyResults", "RCloseNotifyHandle", "RControlServiceExA", "RControlServiceExW"],
        &[(56, "RQueryServiceConfigEx"), (60, "RCreateWowService"), (64, "ROpenSCManager2")]),
    // MS-TSCH
    known(0x1ff70682_0a51_30e8_076d_740be8cee98b, "atsvc", &["NetrJobAdd", "NetrJobDel", "NetrJobEnum", "NetrJobGetInfo"]),
    known(0x378e52b0_c0a9_11cf_822d_00aa0051e40f, "sasec",
        &["SASetAccountInformation", "SASetNSAccountInformation", "SAGetNSAccountInformation", "SAGetAccountInformation"]),
    known(0x86d35949_83c9_4044_b424_db363231fd0c, "ITaskSchedulerService",
        &["SchRpcHighestVersion", "SchRpcRegisterTask", "SchRpcRetrieveTask", "SchRpcCreateFolder", "SchRpcSetSecurity",
          "SchRpcGetSecurity", "SchRpcEnumFolder", "SchRpcEnumTasks", "SchRpcEnumInstances", "SchRpcGetInstanceInfo",
          "SchRpcStopInstance", "SchRpcStop", "SchRpcRun", "SchRpcDelete", "SchRpcRename", "SchRpcScheduledRuntimes",
          "SchRpcGetLastRunInfo", "SchRpcGetTaskInfo", "SchRpcGetNumberOfMissedRuns", "SchRpcEnableTask"]),
    // MS-DRSR
    known(0xe3514235_4b06_11d1_ab04_00c04fc2dcd2, "drsuapi",
        &["DRSBind", "DRSUnbind", "DRSReplicaSync", "DRSGetNCChanges", "DRSUpdateRefs", "DRSReplicaAdd", "DRSReplicaDel",
          "DRSReplicaModify", "DRSVerifyNames", "DRSGetMemberships", "DRSInterDomainMove", "DRSGetNT4ChangeLog", "DRSCrackNames",
          "DRSWriteSPN", "DRSRemoveDsServer", "DRSRemoveDsDomain", "DRSDomainControllerInfo", "DRSAddEntry", "DRSExecuteKCC",
          "DRSGetReplInfo", "DRSAddSidHistory", "DRSGetMemberships2", "DRSReplicaVerifyObjects", "DRSGetObjectExistence",
          "DRSQuerySitesByCost", "DRSInitDemotion", "DRSReplicaDemotion", "DRSFinishDemotion", "DRSAddCloneDC", "DRSWriteNgcKey",
          "DRSReadNgcKey"]),
    known(0x7c44d7d4_31d5_424c_bd5e_2b3e1f323d22, "dsaop", &["DSAPrepareScript", "DSAExecuteScript"]),
    // MS-SRVS
    known(0x4b324fc8_1670_01d3_1278_5a47bf6ee188, "srvsvc",
        &["", "", "", "", "", "", "", "", "NetrConnectionEnum", "NetrFileEnum", "NetrFileGetInfo", "NetrFileClose", "NetrSessionEnum",
          "NetrSessionDel", "NetrShareAdd", "NetrShareEnum", "NetrShareGetInfo", "NetrShareSetInfo", "NetrShareDel",
          "NetrShareDelSticky", "NetrShareCheck", "NetrServerGetInfo", "NetrServerSetInfo", "NetrServerDiskEnum",
          "NetrServerStatisticsGet", "NetrServerTransportAdd", "NetrServerTransportEnum", "NetrServerTransportDel", "NetrRemoteTOD",
          "", "NetprPathType", "NetprPathCanonicalize", "NetprPathCompare", "NetprNameValidate", "NetprNameCanonicalize",
          "NetprNameCompare", "NetrShareEnumSticky", "NetrShareDelStart", "NetrShareDelCommit", "NetrpGetFileSecurity",
          "NetrpSetFileSecurity", "NetrServerTransportAddEx", "", "NetrDfsGetVersion", "NetrDfsCreateLocalPartition",
          "NetrDfsDeleteLocalPartition", "NetrDfsSetLocalVolumeState", "", "NetrDfsCreateExitPoint", "NetrDfsDeleteExitPoint",
          "NetrDfsModifyPrefix", "NetrDfsFixLocalVolume", "NetrDfsManagerReportSiteInfo", "NetrServerTransportDelEx",
          "NetrServerAliasAdd", "NetrServerAliasEnum", "NetrServerAliasDel", "NetrShareDelEx"]),
    // MS-WKST
    known(0x6bffd098_a112_3610_9833_46c3f87e345a, "wkssvc",
        &["NetrWkstaGetInfo", "NetrWkstaSetInfo", "NetrWkstaUserEnum", "", "", "NetrWkstaTransportEnum", "NetrWkstaTransportAdd",
          "NetrWkstaTransportDel", "NetrUseAdd", "NetrUseGetInfo", "NetrUseDel", "NetrUseEnum", "", "NetrWorkstationStatisticsGet", "",
          "", "", "", "", "", "NetrGetJoinInformation", "", "NetrJoinDomain2", "NetrUnjoinDomain2", "NetrRenameMachineInDomain2",
          "NetrValidateName2", "NetrGetJoinableOUs2", "NetrAddAlternateComputerName", "NetrRemoveAlternateComputerName",
          "NetrSetPrimaryComputerName", "NetrEnumerateComputerNames"]),
    // MS-RPRN
    sparse(0x12345678_1234_abcd_ef00_0123456789ab, "spoolss",
        &["RpcEnumPrinters", "RpcOpenPrinter", "RpcSetJob", "RpcGetJob", "RpcEnumJobs", "RpcAddPrinter", "RpcDeletePrinter",
          "RpcSetPrinter", "RpcGetPrinter", "RpcAddPrinterDriver", "RpcEnumPrinterDrivers", "RpcGetPrinterDriver",
          "RpcGetPrinterDriverDirectory", "RpcDeletePrinterDriver", "RpcAddPrintProcessor", "RpcEnumPrintProcessors",
          "RpcGetPrintProcessorDirectory", "RpcStartDocPrinter", "RpcStartPagePrinter", "RpcWritePrinter", "RpcEndPagePrinter",
          "RpcAbortPrinter", "RpcReadPrinter", "RpcEndDocPrinter", "RpcAddJob", "RpcScheduleJob", "RpcGetPrinterData",
          "RpcSetPrinterData", "RpcWaitForPrinterChange", "RpcClosePrinter", "RpcAddForm", "RpcDeleteForm", "RpcGetForm", "RpcSetForm",
          "RpcEnumForms", "RpcEnumPorts", "RpcEnumMonitors", "", "", "RpcDeletePort", "RpcCreatePrinterIC",
          "RpcPlayGdiScriptOnPrinterIC", "RpcDeletePrinterIC"],
        &[(46, "RpcAddMonitor"), (47, "RpcDeleteMonitor"), (48, "RpcDeletePrintProcessor"), (51, "RpcEnumPrintProcessorDatatypes"),
          (52, "RpcResetPrinter"), (53, "RpcGetPrinterDriver2"), (56, "RpcFindClosePrinterChangeNotification"), (58, "RpcReplyOpenPrinter"),
          (59, "RpcRouterReplyPrinter"), (60, "RpcReplyClosePrinter"), (61, "RpcAddPortEx"),
          (62, "RpcRemoteFindFirstPrinterChangeNotification"), (65, "RpcRemoteFindFirstPrinterChangeNotificationEx"),
          (66, "RpcRouterReplyPrinterEx"), (67, "RpcRouterRefreshPrinterChangeNotification"), (69, "RpcOpenPrinterEx"),
          (70, "RpcAddPrinterEx"), (71, "RpcSetPort"), (72, "RpcEnumPrinterData"), (73, "RpcDeletePrinterData"), (77, "RpcSetPrinterDataEx"),
          (78, "RpcGetPrinterDataEx"), (79, "RpcEnumPrinterDataEx"), (80, "RpcEnumPrinterKey"), (81, "RpcDeletePrinterDataEx"),
          (82, "RpcDeletePrinterKey"), (84, "RpcDeletePrinterDriverEx"), (85, "RpcAddPerMachineConnection"),
          (86, "RpcDeletePerMachineConnection"), (87, "RpcEnumPerMachineConnections"), (88, "RpcXcvData"), (89, "RpcAddPrinterDriverEx"),
          (97, "RpcSendRecvBidiData"), (102, "RpcGetCorePrinterDrivers"), (104, "RpcGetPrinterDriverPackagePath")]),
    // MS-PAR
    sparse(0x76f03f96_cdfd_44fc_a22c_64950a001209, "IRemoteWinspool", &["RpcAsyncOpenPrinter", "RpcAsyncAddPrinter"],
        &[(20, "RpcAsyncClosePrinter"), (39, "RpcAsyncAddPrinterDriver"), (40, "RpcAsyncEnumPrinterDrivers"),
          (41, "RpcAsyncGetPrinterDriverDirectory"), (42, "RpcAsyncDeletePrinterDriver"), (43, "RpcAsyncDeletePrinterDriverEx"),
          (58, "RpcSyncRegisterForRemoteNotifications"), (59, "RpcSyncUnRegisterForRemoteNotifications"),
          (62, "RpcAsyncInstallPrinterDriverFromPackage"), (63, "RpcAsyncUploadPrinterDriverPackage")]),
    known(0x0b6edbfa_4a24_4fc6_8a23_942b1eca65d1, "IRPCAsyncNotify", &[]),
    known(0xae33069b_a2a8_46ee_a235_ddfd339be281, "IRPCRemoteObject", &[]),
    // MS-RRP
    known(0x338cd001_2244_31f1_aaaa_900038001003, "winreg",
        &["OpenClassesRoot", "OpenCurrentUser", "OpenLocalMachine", "OpenPerformanceData", "OpenUsers", "BaseRegCloseKey",
          "BaseRegCreateKey", "BaseRegDeleteKey", "BaseRegDeleteValue", "BaseRegEnumKey", "BaseRegEnumValue", "BaseRegFlushKey",
          "BaseRegGetKeySecurity", "BaseRegLoadKey", "", "BaseRegOpenKey", "BaseRegQueryInfoKey", "BaseRegQueryValue",
          "BaseRegReplaceKey", "BaseRegRestoreKey", "BaseRegSaveKey", "BaseRegSetKeySecurity", "BaseRegSetValue", "BaseRegUnLoadKey",
          "", "", "BaseRegGetVersion", "OpenCurrentConfig", "", "BaseRegQueryMultipleValues", "", "BaseRegSaveKeyEx",
          "OpenPerformanceText", "OpenPerformanceNlsText", "BaseRegQueryMultipleValues2", "BaseRegDeleteKeyEx"]),
    // MS-DCOM
    known(0x4d9f4ab8_7d1c_11cf_861e_0020af6e7c57, "IRemoteActivation", &["RemoteActivation"]),
    com(0x000001a0_0000_0000_c000_000000000046, "ISystemActivator", &["RemoteGetClassObject", "RemoteCreateInstance"]),
    known(0x99fcfec4_5260_101b_bbcb_00aa0021347a, "IObjectExporter",
        &["ResolveOxid", "SimplePing", "ComplexPing", "ServerAlive", "ResolveOxid2", "ServerAlive2"]),
    com(0x00000131_0000_0000_c000_000000000046, "IRemUnknown", &["RemQueryInterface", "RemAddRef", "RemRelease"]),
    com(0x00000143_0000_0000_c000_000000000046, "IRemUnknown2", &["RemQueryInterface", "RemAddRef", "RemRelease", "RemQueryInterface2"]),
    com(0x00020400_0000_0000_c000_000000000046, "IDispatch", &["GetTypeInfoCount", "GetTypeInfo", "GetIDsOfNames", "Invoke"]),
    // MS-WMI
    com(0xf309ad18_d86a_11d0_a075_00c04fb68820, "IWbemLevel1Login", &["EstablishPosition", "RequestChallenge", "WBEMLogin", "NTLMLogin"]),
    com(0xd4781cd6_e5d3_44df_ad94_930efe48a887, "IWbemLoginClientID", &["SetClientInfo"]),
    com(0x9556dc99_828c_11cf_a37e_00aa003240c7, "IWbemServices",
        &["OpenNamespace", "CancelAsyncCall", "QueryObjectSink", "GetObject", "GetObjectAsync", "PutClass", "PutClassAsync", "DeleteClass",
          "DeleteClassAsync", "CreateClassEnum", "CreateClassEnumAsync", "PutInstance", "PutInstanceAsync", "DeleteInstance",
          "DeleteInstanceAsync", "CreateInstanceEnum", "CreateInstanceEnumAsync", "ExecQuery", "ExecQueryAsync",
          "ExecNotificationQuery", "ExecNotificationQueryAsync", "ExecMethod", "ExecMethodAsync"]),
    com(0x027947e1_d731_11ce_a357_000000000001, "IEnumWbemClassObject", &["Reset", "Next", "NextAsync", "Clone", "Skip"]),
    com(0x1c1c45ee_4395_11d2_b60b_00104b703efd, "IWbemFetchSmartEnum", &["GetSmartEnum"]),
    com(0x423ec01e_2e35_11d2_b604_00104b703efd, "IWbemWCOSmartEnum", &["Next"]),
    // MS-EFSR, on two pipes with two numbers
    known(0xc681d488_d850_11d0_8c52_00c04fd90f7e, "efsrpc", EFS),
    known(0xdf1941c5_fe89_4e79_bf10_463657acf44d, "efsrpc", EFS),
    // MS-DFSNM
    known(0x4fc742e0_4a10_11cf_8273_00aa004ae673, "netdfs",
        &["NetrDfsManagerGetVersion", "NetrDfsAdd", "NetrDfsRemove", "NetrDfsSetInfo", "NetrDfsGetInfo", "NetrDfsEnum", "NetrDfsMove", "", "",
          "", "NetrDfsAddFtRoot", "NetrDfsRemoveFtRoot", "NetrDfsAddStdRoot", "NetrDfsRemoveStdRoot", "NetrDfsManagerInitialize",
          "NetrDfsAddStdRootForced", "NetrDfsGetDcAddress", "NetrDfsSetDcAddress", "NetrDfsFlushFtTable", "NetrDfsAdd2",
          "NetrDfsRemove2", "NetrDfsEnumEx", "NetrDfsSetInfo2", "NetrDfsAddRootTarget", "NetrDfsRemoveRootTarget",
          "NetrDfsGetSupportedNamespaceVersion"]),
    // MS-FSRVP
    known(0xa8e0653c_2744_4389_a61d_7373df8b2292, "FileServerVssAgent",
        &["GetSupportedVersion", "SetContext", "StartShadowCopySet", "AddToShadowCopySet", "CommitShadowCopySet", "ExposeShadowCopySet",
          "RecoveryCompleteShadowCopySet", "AbortShadowCopySet", "IsPathSupported", "IsPathShadowCopied", "GetShareMapping",
          "DeleteShareMapping", "PrepareShadowCopySet"]),
    // MS-DNSP
    known(0x50abc2a4_574d_40b3_9d66_ee4fd5fba076, "dnsserver",
        &["R_DnssrvOperation", "R_DnssrvQuery", "R_DnssrvComplexOperation", "R_DnssrvEnumRecords", "R_DnssrvUpdateRecord",
          "R_DnssrvOperation2", "R_DnssrvQuery2", "R_DnssrvComplexOperation2", "R_DnssrvEnumRecords2", "R_DnssrvUpdateRecord2"]),
    // MS-DHCPM
    known(0x6bffd098_a112_3610_9833_46c3f874532d, "dhcpsrv", &[]),
    known(0x5b821720_f63b_11d0_aad2_00c04fc324db, "dhcpsrv2", &[]),
    // MS-EVEN, MS-EVEN6
    known(0x82273fdc_e32a_18c3_3f78_827929dc23ea, "eventlog",
        &["ElfrClearELFW", "ElfrBackupELFW", "ElfrCloseEL", "ElfrDeregisterEventSource", "ElfrNumberOfRecords", "ElfrOldestRecord",
          "ElfrChangeNotify", "ElfrOpenELW", "ElfrRegisterEventSourceW", "ElfrOpenBELW", "ElfrReadELW", "ElfrReportEventW"]),
    known(0xf6beaff7_1e19_4fbb_9f8f_b89e2018337c, "eventlog6",
        &["EvtRpcRegisterRemoteSubscription", "EvtRpcRemoteSubscriptionNextAsync", "EvtRpcRemoteSubscriptionNext",
          "EvtRpcRemoteSubscriptionWaitAsync", "EvtRpcRegisterControllableOperation", "EvtRpcRegisterLogQuery", "EvtRpcClearLog",
          "EvtRpcExportLog", "EvtRpcLocalizeExportLog", "EvtRpcMessageRender", "EvtRpcMessageRenderDefault", "EvtRpcQueryNext"]),
    // MS-RSP
    known(0x894de0c0_0d55_11d3_a322_00c04fa321a1, "InitShutdown",
        &["BaseInitiateShutdown", "BaseAbortShutdown", "BaseInitiateShutdownEx"]),
    known(0xd95afe70_a6d5_4259_822e_2c84da1ddb0d, "WindowsShutdown", &["WsdrInitiateShutdown", "WsdrAbortShutdown"]),
    // MS-ICPR, MS-WCCE
    known(0x91ae6020_9e3c_11cf_8d7c_00aa00c091be, "ICertPassage", &["CertServerRequest"]),
    com(0xd99e6e70_fc88_11d0_b498_00a0c90312f3, "ICertRequestD", &["Request", "GetCACert", "Ping"]),
    com(0x5422fd3a_d4b8_4cef_a12e_e87d4ca22e90, "ICertRequestD2", &["Request", "GetCACert", "Ping", "Request2", "GetCAProperty"]),
    // MS-BKRP
    known(0x3dde7c30_165d_11d1_ab8f_00805f14db40, "BackupKey", &["BackuprKey"]),
    // MS-DSSP
    known(0x3919286a_b10c_11d0_9ba8_00c04fd92ef5, "dssetup", &["DsRolerGetPrimaryDomainInformation"]),
    // MS-FRS1, MS-FRS2
    known(0xf5cc59b4_4264_101a_8c59_08002b2f8426, "FrsRpc",
        &["FrsRpcSendCommPkt", "FrsRpcVerifyPromotionParent", "FrsRpcStartPromotionParent", "FrsNOP"]),
    known(0x897e2e5f_93f3_4376_9c9c_fd2277495c27, "FrsTransport", &["CheckConnectivity", "EstablishConnection", "EstablishSession"]),
    // MS-OXNSPI, MS-OXABREF, MS-OXCRPC
    known(0xf5cc5a18_4264_101a_8c59_08002b2f8426, "nspi",
        &["NspiBind", "NspiUnbind", "NspiUpdateStat", "NspiQueryRows", "NspiSeekEntries", "NspiGetMatches", "NspiResortRestriction",
          "NspiDNToEph", "NspiGetPropList", "NspiGetProps"]),
    known(0x1544f5e0_613c_11d1_93df_00c04fd7bd09, "exchange_rfr", &["RfrGetNewDSA", "RfrGetFQDNFromLegacyDN"]),
    sparse(0xa4f1db00_ca47_1067_b31f_00dd010662da, "exchange_mapi", &["", "EcDoDisconnect"],
        &[(4, "EcRRegisterPushNotification"), (6, "EcDummyRpc"), (10, "EcDoConnectEx"), (11, "EcDoRpcExt2"), (14, "EcDoAsyncConnectEx")]),
    known(0x5261574a_4572_206e_b268_6b199213b4e4, "AsyncEMSMDB", &["EcDoAsyncWaitEx"]),
    // Others of Windows
    known(0x6bffd098_a112_3610_9833_012892020162, "browser", &[]),
    known(0x8d9f4e40_a03d_11ce_8f69_08003e30051b, "pnp", &[]),
    known(0x17fdd703_1827_4e34_79d4_24a55c53bb37, "msgsvc", &[]),
    known(0x5a7b91f8_ff00_11d0_a9b2_00c04fb6e6fc, "msgsvcsend", &["NetrSendMessage"]),
    known(0x300f3532_38cc_11d0_a3f0_0020af6b0add, "trkwks", &[]),
    known(0x8fb6d884_2388_11d0_8c35_00c04fda2795, "W32Time", &[]),
    known(0x51c82175_844e_4750_b0d8_ec255555bc06, "KMS", &["RequestActivation"]),
    known(0xccd8c074_d0e5_4a40_92b4_d074faa6ba28, "witness",
        &["WitnessrGetInterfaceList", "WitnessrRegister", "WitnessrUnRegister", "WitnessrAsyncNotify", "WitnessrRegisterEx"]),
    known(0x484809d6_4239_471b_b5bc_61df8c23ac48, "TermSrvSession", &[]),
    known(0x5ca4a760_ebb1_11cf_8611_00a0245420ed, "winstation_rpc", &[]),
    known(0x2f5f6520_ca46_1067_b319_00dd010662da, "tapsrv", &["ClientAttach", "ClientRequest", "ClientDetach"]),
    known(0x20610036_fa22_11cf_9823_00a0c911e5df, "rasrpc", &[]),
    known(0xb97db8b2_4c63_11cf_bff6_08002be23f2f, "clusapi", &[]),
    known(0xfdb3a030_065f_11d1_bb9b_00a024ea5525, "qmcomm", &[]),
    // PROFINET IO (IEC 61158-6-10): connectionless, in plants
    known(0xdea00001_6c97_11d1_8271_00a02442df7d, "PNIO_device", PNIO),
    known(0xdea00002_6c97_11d1_8271_00a02442df7d, "PNIO_controller", PNIO),
    known(0xdea00003_6c97_11d1_8271_00a02442df7d, "PNIO_supervisor", PNIO),
    known(0xdea00004_6c97_11d1_8271_00a02442df7d, "PNIO_parameter_server", PNIO),
];

const EFS: &[&str] = &[
    "EfsRpcOpenFileRaw",
    "EfsRpcReadFileRaw",
    "EfsRpcWriteFileRaw",
    "EfsRpcCloseRaw",
    "EfsRpcEncryptFileSrv",
    "EfsRpcDecryptFileSrv",
    "EfsRpcQueryUsersOnFile",
    "EfsRpcQueryRecoveryAgents",
    "EfsRpcRemoveUsersFromFile",
    "EfsRpcAddUsersToFile",
    "",
    "EfsRpcNotSupported",
    "EfsRpcFileKeyInfo",
    "EfsRpcDuplicateEncryptionInfoFile",
    "",
    "EfsRpcAddUsersToFileEx",
    "EfsRpcFileKeyInfoEx",
    "",
    "EfsRpcGetEncryptedFileMetadata",
    "EfsRpcSetEncryptedFileMetadata",
    "EfsRpcFlushEfsCache",
    "EfsRpcEncryptFileExSrv",
    "EfsRpcQueryProtectors",
];

const PNIO: &[&str] = &["Connect", "Release", "Read", "Write", "Control", "ReadImplicit"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_where_they_must_be() {
        let mut uuids: Vec<_> = ALL.iter().map(|i| i.uuid.0).collect();
        uuids.sort_unstable();
        assert!(uuids.windows(2).all(|w| w[0] != w[1]));
        for i in ALL {
            let listed = i.operations.iter().filter(|name| !name.is_empty()).count();
            let mut names: Vec<_> =
                i.operations.iter().filter(|n| !n.is_empty()).chain(i.more.iter().map(|(_, n)| n)).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), listed + i.more.len(), "{}: an operation twice", i.name);
        }
    }

    #[test]
    fn operations_that_detections_rest_on() {
        // Numbers from the documents named in the list.
        let cases = [
            (0x12345678_1234_abcd_ef00_01234567cffb_u128, 26, "NetrServerAuthenticate3"),
            (0x12345678_1234_abcd_ef00_01234567cffb, 30, "NetrServerPasswordSet2"),
            (0xe3514235_4b06_11d1_ab04_00c04fc2dcd2, 3, "DRSGetNCChanges"),
            (0x367abb81_9844_35f1_ad32_98f038001003, 12, "RCreateServiceW"),
            (0x367abb81_9844_35f1_ad32_98f038001003, 64, "ROpenSCManager2"),
            (0x12345778_1234_abcd_ef00_0123456789ac, 64, "SamrConnect5"),
            (0x12345778_1234_abcd_ef00_0123456789ab, 77, "LsarLookupNames4"),
            (0x4b324fc8_1670_01d3_1278_5a47bf6ee188, 15, "NetrShareEnum"),
            (0x12345678_1234_abcd_ef00_0123456789ab, 65, "RpcRemoteFindFirstPrinterChangeNotificationEx"),
            (0x76f03f96_cdfd_44fc_a22c_64950a001209, 39, "RpcAsyncAddPrinterDriver"),
            (0xdf1941c5_fe89_4e79_bf10_463657acf44d, 4, "EfsRpcEncryptFileSrv"),
            (0x9556dc99_828c_11cf_a37e_00aa003240c7, 24, "ExecMethod"),
            (0x000001a0_0000_0000_c000_000000000046, 4, "RemoteCreateInstance"),
            (0x338cd001_2244_31f1_aaaa_900038001003, 31, "BaseRegSaveKeyEx"),
        ];
        for (uuid, opnum, name) in cases {
            assert_eq!(Interface::of(Uuid(uuid.to_be_bytes())).unwrap().operation(opnum), Some(name));
        }
        assert_eq!(Interface::of(EPMAPPER).unwrap().operation(7), None);
        assert!(Interface::of(Uuid([0; 16])).is_none());
    }
}
