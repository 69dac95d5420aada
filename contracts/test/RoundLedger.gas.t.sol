// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProtocolHashes} from "../src/IProtocolHashes.sol";
import {ParticipantRegistry} from "../src/ParticipantRegistry.sol";
import {TestBase} from "./TestBase.sol";

/// @notice Gas in the steady state, each call a transaction. `forge test --match-contract Gas -vv` prints it.
contract GasTest is TestBase {
    event log_named_uint(string name, uint256 value);

    bytes32 private constant HASH = keccak256("a hash without zero bytes");

    function setUp() public override {
        super.setUp();
        ledger.fund(1000 ether);
        vm.prank(COORDINATOR);
        ledger.openRun(RUN, HASH, HASH, HASH, HASH);
    }

    function test_roundCostsAtMost250000Gas() public {
        _wholeRound(RUN, 1, HASH, 1 ether);
        IProtocolHashes.Settlement memory settlement = IProtocolHashes.Settlement(HASH, HASH, HASH, HASH, 1 ether);

        vm.prank(COORDINATOR);
        ledger.openRound(RUN, 2, HASH);
        uint256 open = _gas("openRound");
        vm.prank(COORDINATOR);
        ledger.commitUpdates(RUN, 2, HASH);
        uint256 commit = _gas("commitUpdates");
        vm.prank(COORDINATOR);
        ledger.settleRound(RUN, 2, settlement);
        uint256 settle = _gas("settleRound");

        emit log_named_uint("round", open + commit + settle);
        require(open + commit + settle <= 250_000, "a round became expensive");
    }

    function test_claimAmong10CostsAtMost100000Gas() public {
        _claim(1, 1 ether, 4);
        require(_gas("first claim of an account among 10") <= 100_000, "a claim became expensive");
        _claim(2, 2 ether, 4);
        require(_gas("its next claim") <= 70_000, "a claim became expensive");
    }

    function test_claimAmong1000CostsAtMost110000Gas() public {
        _claim(1, 1 ether, 10);
        require(_gas("first claim of an account among 1000") <= 110_000, "a claim became expensive");
        _claim(2, 2 ether, 10);
        require(_gas("its next claim") <= 70_000, "a claim became expensive");
    }

    function test_openingARunCostsAtMost110000Gas() public {
        vm.prank(COORDINATOR);
        ledger.openRun(OTHER_RUN, HASH, HASH, HASH, HASH);
        require(_gas("openRun") <= 110_000, "a run became expensive");
    }

    function test_registrationOf100CostsAtMost30000GasEach() public {
        ParticipantRegistry registry = new ParticipantRegistry(token, 1 ether, 7 days);
        token.approve(address(registry), 100 ether);
        address[] memory accounts = new address[](100);
        for (uint256 i = 0; i < accounts.length; ++i) {
            accounts[i] = address(uint160(uint256(keccak256(abi.encode(i)))));
        }
        registry.registerFor(accounts, 1 ether);
        require(_gas("registerFor 100 accounts") <= 3_000_000, "registration became expensive");
    }

    /// @dev Claim with a proof of so many siblings. Which ones does not matter: the root is made to fit.
    function _claim(uint64 round, uint256 cumulativeWei, uint256 siblings) private {
        bytes32[] memory proof = new bytes32[](siblings);
        for (uint256 i = 0; i < siblings; ++i) {
            proof[i] = keccak256(abi.encode(i));
        }
        bytes32 root = ledger.rootOf(ledger.rewardLeaf(0, ALICE, cumulativeWei), proof);
        uint64 sequence = _wholeRound(RUN, round, root, 1 ether);
        vm.warp(block.timestamp + WINDOW_SECONDS);
        ledger.claim(sequence, 0, ALICE, cumulativeWei, proof);
    }

    function _gas(string memory name) private returns (uint256 used) {
        used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(name, used);
    }
}
